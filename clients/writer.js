// A writer as those of workload.py, with ioredis's cluster client as it comes: no option is set but the nodes.
//
// usage: node writer.js NAME KEYS HOST:PORT…
//
// Each line of its output is how many of its tokens are acknowledged. When its input ends it ends too, and the last
// line is what workload.py judges by: each token with whether it was acknowledged, and whether a connection broke
// meanwhile.

const Redis = require("ioredis");
const readline = require("readline");

const [name, count, ...nodes] = process.argv.slice(2);
const keys = Array.from({ length: Number(count) }, (_, key) => `${name}:${key}`);
const cluster = new Redis.Cluster(
  nodes.map((node) => ({ host: node.split(":")[0], port: Number(node.split(":")[1]) })),
);
let breaks = 0;
let stopping = false;
const tokens = [];
const errors = {};

cluster.on("+node", (node) => node.on("close", () => (breaks += 1)));
// It says so when no node answers, and tries again by itself. What reaches a caller is rejected below.
cluster.on("error", () => {});
readline.createInterface({ input: process.stdin }).on("close", () => {
  stopping = true;
  // A call that is never answered ends with the process.
  setTimeout(() => process.exit(1), 30_000).unref();
});

async function main() {
  let acknowledged = 0;
  while (!stopping) {
    const token = `${name}.${tokens.length}`;
    const before = breaks;
    let done = false;
    try {
      await cluster.append(keys[tokens.length % keys.length], token + ";");
      done = true;
      acknowledged += 1;
    } catch (error) {
      const text = `${error.name}: ${error.message}`.slice(0, 60);
      errors[text] = (errors[text] || 0) + 1;
    }
    tokens.push([token, done, breaks > before]);
    console.log(acknowledged);
  }
  console.log(JSON.stringify({ tokens, errors }));
  cluster.disconnect();
}

main();
