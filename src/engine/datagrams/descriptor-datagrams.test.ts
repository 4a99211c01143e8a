import { chooseEngine } from '../choose.js';
import { datagramSuite } from '../datagrams.suite.js';

for (const name of ['uring', 'epoll', 'kqueue'] as const) {
  const works = await chooseEngine(name).then(
    () => true,
    () => false,
  );
  if (works) datagramSuite(name);
}
datagramSuite('one by one');
