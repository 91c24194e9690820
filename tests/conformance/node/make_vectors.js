// Signatures by Twilio's library for Node.js, for tests/conformance/test_signature_vectors.py.
//
//     npm ci && node make_vectors.js          writes ../vectors.json and ../vectors-sha256.json
//     node make_vectors.js sha1 | sha256      prints one of them
//
// Nothing is drawn by chance: the same library makes the same files. All tokens are made up.
"use strict";

const crypto = require("crypto");
const fs = require("fs");
const path = require("path");
const { getExpectedTwilioSignature, validateRequest } = require("twilio/lib/webhooks/webhooks");
const library = require("twilio/package.json").version;

const TOKEN = "0123456789abcdef0123456789abcdef";
const OTHER = "fedcba09876543210987654321fedcba";
const KEY = "key=webhooks_sharedkey_00000000000000000000000000000000,algorithm=HMAC_SHA256";
const HOST = "https://ivr.example.net";
const CALL = [
  ["CallSid", "CA00000000000000000000000000000001"],
  ["AccountSid", "AC00000000000000000000000000000002"],
  ["From", "+393471112201"],
  ["To", "+390461825060"],
  ["CallStatus", "ringing"],
  ["ApiVersion", "2010-04-01"],
  ["Direction", "inbound"],
];
const SIGNS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ";

// name: [address as it is requested, parameters, token]. A GET has its parameters in the address alone.
const SHAPES = {
  "POST, a call": [`${HOST}/voice`, CALL],
  "POST, nothing": [`${HOST}/voice`, []],
  "POST, one parameter": [`${HOST}/voice`, [["Digits", "1"]]],
  "POST, a query too": [`${HOST}/voice/turn/3?l=gAAAAAB-x_Y`, [...CALL, ["Digits", "38205917"]]],
  "POST, luggage of 1,500 characters": [`${HOST}/voice/turn/9?l=${"gAAAAAB-x_Y".repeat(136)}`, CALL],
  "POST, a padded query": [`${HOST}/voice/turn/3?l=gAAAAAB-x_Y==`, CALL],
  "POST, two of a query": [`${HOST}/voice/turn/3?b=2&a=1&b=1`, CALL],
  "POST, an empty query value": [`${HOST}/voice?l=`, CALL],
  "POST, a query of percent signs": [`${HOST}/voice?a=%20%2B%26%3D%C3%A8`, CALL],
  "POST, a plus in the query": [`${HOST}/voice?a=1+1`, CALL],
  "POST, bodySHA256 in the query": [`${HOST}/voice?bodySHA256=${"0".repeat(64)}`, CALL],
  "GET, nothing": [`${HOST}/voice`, [], TOKEN, "GET"],
  "GET, a call in the query": [`${HOST}/voice?CallSid=CA0001&Digits=12&From=%2B39347`, [], TOKEN, "GET"],
  "an empty value": [`${HOST}/voice`, [...CALL, ["Digits", ""]]],
  "only empty values": [`${HOST}/voice`, [["A", ""], ["B", ""]]],
  "names by their bytes": [`${HOST}/voice`, [["b", "1"], ["B", "2"], ["a", "3"], ["A", "4"], ["_", "5"], ["0", "6"]]],
  "a name that begins another": [`${HOST}/voice`, [["Digits2", "1"], ["Digits", "2"], ["Digit", "3"]]],
  "numbers as names": [`${HOST}/voice`, [["10", "a"], ["9", "b"], ["1", "c"]]],
  "spaces and pluses": [`${HOST}/voice`, [["From", "+39 347 111 22 01"], ["a", "1+1"], ["b", " + "]]],
  "every sign": [`${HOST}/voice`, [["a", SIGNS], ["b", SIGNS.split("").reverse().join("")]]],
  "line ends": [`${HOST}/sms`, [["Body", "a\r\nb\nc\td"]]],
  "accents": [`${HOST}/voice`, [["CallerName", "Perché no, Söhne & Çelik"], ["FromCity", "Forlì"]]],
  "composed and not": [`${HOST}/voice`, [["a", "\u00e8"], ["b", "e\u0300"]]],
  "other scripts": [`${HOST}/sms`, [["Body", "Привет 你好 שלום مرحبا ３８２０"]]],
  "emoji": [`${HOST}/sms`, [["Body", "OK 👍🏽 4712 🇮🇹"]]],
  "NUL and controls": [`${HOST}/sms`, [["Body", "a\u0000b\u0007c\u007f"]]],
  "a byte order mark": [`${HOST}/sms`, [["Body", "\ufeffOK"]]],
  "a long text": [`${HOST}/sms`, [["Body", "è una prova, ".repeat(300)]]],
  "a hundred parameters": [
    `${HOST}/voice`,
    Array.from({ length: 100 }, (_, n) => [`Name${(n * 37) % 100}`, `${n}`]),
  ],
  "duplicates, different": [`${HOST}/voice`, [["Digits", "2"], ["Digits", "1"], ["Digits", "10"]]],
  "duplicates, the same": [`${HOST}/voice`, [["Digits", "1"], ["Digits", "1"]]],
  "duplicates, one empty": [`${HOST}/voice`, [["Digits", "1"], ["Digits", ""]]],
  "duplicates with accents": [`${HOST}/voice`, [["a", "è"], ["a", "z"], ["a", "E"]]],
  "port 443, signed without": [`${HOST}:443/voice`, CALL, TOKEN, "POST", `${HOST}/voice`],
  "no port, signed with 443": [`${HOST}/voice`, CALL, TOKEN, "POST", `${HOST}:443/voice`],
  "port 8443, signed with": [`${HOST}:8443/voice`, CALL],
  "port 8443, signed without": [`${HOST}:8443/voice`, CALL, TOKEN, "POST", `${HOST}/voice`],
  "http": ["http://ivr.example.net/voice", CALL],
  "http, signed with 80": ["http://ivr.example.net/voice", CALL, TOKEN, "POST", "http://ivr.example.net:80/voice"],
  "a folder before the path": [`${HOST}/phone/voice`, CALL],
  "another token": [`${HOST}/voice`, CALL, OTHER],
  "a token that is no hexadecimal": [`${HOST}/voice`, CALL, "pérché no?"],
  // Connection overrides: set with `/voice#rc=1…` on the number, asked and signed without.
  "a fragment, which is not signed": [`${HOST}/voice`, CALL, TOKEN, "POST", `${HOST}/voice`, `${HOST}/voice#ct=2000&rc=1&rp=all`],
};

// name: [shape it is made of, change]. Each must be refused by both.
const CHANGES = {
  "another value": (v) => ({ ...v, params: [["CallSid", "CA9"], ...v.params.slice(1)] }),
  "a name in another case": (v) => ({ ...v, params: [["callsid", v.params[0][1]], ...v.params.slice(1)] }),
  "one more": (v) => ({ ...v, params: [...v.params, ["Digits", "1"]] }),
  "one more, empty": (v) => ({ ...v, params: [...v.params, ["Digits", ""]] }),
  "one less": (v) => ({ ...v, params: v.params.slice(1) }),
  "none at all": (v) => ({ ...v, params: [] }),
  "another path": (v) => ({ ...v, address: `${HOST}/voice/fallback` }),
  "a slash more": (v) => ({ ...v, address: `${HOST}/voice/` }),
  "a query more": (v) => ({ ...v, address: `${HOST}/voice?a=1` }),
  "another host": (v) => ({ ...v, address: "https://ivr.example.org/voice" }),
  "http for https": (v) => ({ ...v, address: "http://ivr.example.net/voice" }),
  "another port": (v) => ({ ...v, address: `${HOST}/voice`, signed: `${HOST}:8443/voice` }),
  "the fragment signed": (v) => ({ ...v, signed: `${HOST}/voice#ct=2000&rc=1&rp=all` }),
  "another token": (v) => ({ ...v, token: OTHER, signed_by: TOKEN }),
  "the empty token": (v) => ({ ...v, signed_by: "" }),
  "spaces cut off": (v) => ({ ...v, params: [["a", "b"]], signed_params: [["a", "b "]] }),
  "a plus for a space": (v) => ({ ...v, params: [["a", "b+c"]], signed_params: [["a", "b c"]] }),
  "composed for decomposed": (v) => ({ ...v, params: [["a", "\u00e8"]], signed_params: [["a", "e\u0300"]] }),
  "no signature": (v) => ({ ...v, signature: "" }),
  "a letter less": (v) => ({ ...v, signature: v.signature.slice(0, -1) }),
  "small letters": (v) => ({ ...v, signature: v.signature.toLowerCase() }),
  "a space after it": (v) => ({ ...v, signature: `${v.signature} ` }),
  "base64 for addresses": (v) => ({ ...v, signature: v.signature.replace(/\+/g, "-").replace(/\//g, "_"), params: [["n", "4"]] }),
  "hexadecimal": (v) => ({ ...v, signature: Buffer.from(v.signature, "base64").toString("hex") }),
};

// What the two libraries do not judge alike, or sign alike. `ours` is what webhooks/signature.py must say.
const DIFFERENT = {
  "a quote in the query, signed as %27": {
    why: "Node tries the address as browsers write it too; no address of ours holds such a character",
    address: `${HOST}/voice?a='`, params: CALL, signed: `${HOST}/voice?a=%27`, ours: false,
  },
  "a query that ends before it begins": {
    why: "Python's address loses a bare question mark; no address of ours has one",
    address: `${HOST}/voice?`, params: CALL, signed: `${HOST}/voice?`, ours: false,
  },
  "names beyond the sixteenth bit": {
    why: "JavaScript sorts by halves of a character, Python by characters; Twilio's names are ASCII",
    address: `${HOST}/voice`, params: [["\ufffd", "1"], ["😀", "2"]], signed: `${HOST}/voice`, ours: false,
  },
  "duplicates beyond the sixteenth bit": {
    why: "the same of values; a name that stands twice is refused with 400 whatever its signature",
    address: `${HOST}/voice`, params: [["a", "\ufffd"], ["a", "😀"]], signed: `${HOST}/voice`, ours: false,
  },
  "a user in the address, with a port": {
    why: "Python cuts the address at its first colon; public_url can hold no user",
    address: "https://anna:secret@ivr.example.net:8443/voice", params: CALL,
    signed: "https://anna:secret@ivr.example.net/voice", ours: false,
  },
};

const asObject = (pairs) => {
  const found = Object.create(null);
  for (const [name, value] of pairs) {
    if (!(name in found)) found[name] = value;
    else found[name] = [].concat(found[name], value);
  }
  return found;
};

const sha1 = (token, address, params) => getExpectedTwilioSignature(token, address, asObject(params));

// The newer scheme. Node's library of this version does not have it: the same text, computed here by hand.
const sha256 = (token, address, params) => {
  let text = address;
  const found = asObject(params);
  for (const name of Object.keys(found).sort()) {
    for (const value of [...new Set([].concat(found[name]))].sort()) text += name + value;
  }
  return crypto.createHmac("sha256", token).update(text, "utf8").digest("base64");
};

function all(sign, accepts, more) {
  const vectors = [];
  for (const [name, [address, params, token = TOKEN, method = "POST", signed = address, configured]] of Object.entries(SHAPES)) {
    vectors.push({ name, ...more, method, token, address, ...(configured && { configured }), params,
                   signature: sign(token, signed, params), valid: true });
  }
  const plain = { ...vectors[0] };
  delete plain.configured;
  for (const [name, change] of Object.entries(CHANGES)) {
    const { signed, signed_by, signed_params, ...changed } = change(plain);
    if (signed || signed_by !== undefined || signed_params) {
      changed.signature = sign(signed_by ?? changed.token, signed ?? changed.address, signed_params ?? changed.params);
    }
    vectors.push({ ...changed, name: `refused: ${name}`, valid: false });
  }
  for (const vector of vectors) {
    if (accepts(vector) !== vector.valid) throw new Error(`the library does not agree: ${vector.name}`);
  }
  return vectors;
}

const node = (vector) => validateRequest(vector.token, vector.signature, vector.address, asObject(vector.params));

function made(which) {
  if (which === "sha256") {
    const by = "HMAC-SHA256 by Node.js's crypto: this version of the library has the older scheme only";
    const right = (v) => {
      const plain = v.address.replace(/^(https?:\/\/[^/:]+):\d+/, "$1");
      const port = v.address.startsWith("https") ? 443 : 80;
      const withPort = /^https?:\/\/[^/]+:\d+/.test(v.address) ? v.address : v.address.replace(/^(https?:\/\/[^/]+)/, `$1:${port}`);
      return [plain, withPort].some((address) => sha256(v.token, address, v.params) === v.signature);
    };
    return { by, settings: KEY, vectors: all(sha256, right, {}) };
  }
  const differences = Object.entries(DIFFERENT).map(([name, { why, address, params, signed, ours }]) => {
    const vector = { name, why, method: "POST", token: TOKEN, address, params, signature: sha1(TOKEN, signed, params) };
    return { ...vector, node: node(vector), ours };
  });
  return { by: `twilio ${library} for Node.js`, vectors: all(sha1, node, {}), differences };
}

const text = (which) => JSON.stringify(made(which), null, 1) + "\n";
const which = process.argv[2];
if (which) {
  process.stdout.write(text(which));
} else {
  fs.writeFileSync(path.join(__dirname, "..", "vectors.json"), text("sha1"));
  fs.writeFileSync(path.join(__dirname, "..", "vectors-sha256.json"), text("sha256"));
}
