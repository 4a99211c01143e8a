/** `node launch.js pen|penctl ARGS`: stands in for bin/ when the build lies in another folder than dist. */
import { main as pen } from '../../src/cli/pen.js';
import { main as penctl } from '../../src/cli/penctl.js';

const [program, ...args] = process.argv.slice(2);
await (program === 'penctl' ? penctl : pen)(args);
