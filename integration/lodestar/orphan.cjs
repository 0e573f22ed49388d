// The starting process holds the other end of standard input, which closes when that process ends,
// however it ends: then nobody is left to stop this one.
const { isMainThread } = require("node:worker_threads");

if (isMainThread) {
  process.stdin.on("end", () => process.exit(1)).resume();
}
