// Reads blocks as the beacon API writes them in JSON, one per line, and prints for each
// its root and its SSZ in hex, as Lodestar's own types compute them.
import { createInterface } from "node:readline";
import { ssz } from "@lodestar/types";

const hex = (bytes) => Buffer.from(bytes).toString("hex");

for await (const line of createInterface({ input: process.stdin })) {
  const { version, data } = JSON.parse(line);
  const type = ssz[version].SignedBeaconBlock;
  const block = type.fromJson(data);
  console.log(hex(type.fields.message.hashTreeRoot(block.message)), hex(type.serialize(block)));
}
