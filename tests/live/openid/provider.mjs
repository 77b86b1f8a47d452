// A provider of OpenID Connect (oidc-provider, certified) with its own pages, where anybody in `people` may sign in.
// Each start has a key pair of its own. Tells ["listening", null] when it does.
import { generateKeyPairSync, randomUUID } from "node:crypto";

console.log = console.info = console.error; // lines of standard output are for who has started it
const { Provider } = await import("oidc-provider");

const { port, client, people } = JSON.parse(process.argv[2]);
const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...pair.privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ ...client, response_types: ["code"], grant_types: ["authorization_code"] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "email", "groups"],
  pkce: { required: () => true },
  jwks: { keys: [key] },
  cookies: { keys: [randomUUID()] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});
provider.listen(port, "127.0.0.1", () => process.stdout.write(`${JSON.stringify(["listening", null])}\n`));
process.stdin.on("end", () => process.exit(0)).resume();
