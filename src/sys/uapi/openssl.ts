/** Constants of OpenSSL 3's public headers, in their own spelling (openssl/ssl.h, tls1.h, bio.h, x509_vfy.h). */

// ssl.h
export const SSL_ERROR_SSL = 1;
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_WANT_WRITE = 3;
export const SSL_ERROR_ZERO_RETURN = 6;

export const SSL_VERIFY_NONE = 0;
export const SSL_VERIFY_PEER = 1;
export const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;

export const SSL_SESS_CACHE_OFF = 0;
export const SSL_SESS_CACHE_CLIENT = 1;
export const SSL_SESS_CACHE_NO_INTERNAL = 0x300;

export const SSL_MODE_ENABLE_PARTIAL_WRITE = 0x1;
export const SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x2;
export const SSL_MODE_RELEASE_BUFFERS = 0x10;

export const SSL_OP_IGNORE_UNEXPECTED_EOF = 1 << 7;
export const SSL_OP_NO_TICKET = 1 << 14;
export const SSL_OP_NO_COMPRESSION = 1 << 17;
export const SSL_OP_PRIORITIZE_CHACHA = 1 << 21;
export const SSL_OP_CIPHER_SERVER_PREFERENCE = 1 << 22;
export const SSL_OP_NO_TLSv1_2 = 1 << 27;
export const SSL_OP_NO_TLSv1_3 = 1 << 29;
export const SSL_OP_NO_RENEGOTIATION = 1 << 30;
/** Work-arounds for defects of other programs; harmless ones (SSL_OP_ALL of 3.0). */
export const SSL_OP_ALL = 0x80000850;

export const SSL_CTRL_MODE = 33;
export const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
export const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
export const SSL_CTRL_SET_TLSEXT_TICKET_KEYS = 59;
export const SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB = 63;
export const SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP = 71;
export const SSL_CTRL_SET_GROUPS_LIST = 92;
export const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
export const SSL_CTRL_SET_MAX_PROTO_VERSION = 124;
export const TLSEXT_NAMETYPE_HOST_NAME = 0;
/** key name 16, HMAC secret 32, AES key 32. */
export const TLSEXT_TICKET_KEYS_BYTES = 80;

export const TLS1_2_VERSION = 0x0303;
export const TLS1_3_VERSION = 0x0304;

// x509_vfy.h
export const X509_V_OK = 0;

// bio.h
export const BIO_CTRL_PENDING = 10;
export const BIO_C_GET_BUF_MEM_PTR = 115;
export const BIO_C_SET_BUF_MEM_EOF_RETURN = 130;

/** Of X509_NAME_get_text_by_NID (objects.h). */
export const NID_commonName = 13;
/** One line in RFC 2253's order, UTF-8 as it is (XN_FLAG_RFC2253 without ASN1_STRFLGS_ESC_MSB). */
export const XN_FLAG_RFC2253_UTF8 = 0x1110317 & ~4;
