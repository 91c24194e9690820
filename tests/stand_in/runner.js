'use strict';
// Plays Twilio's Functions for one protected function, over HTTP on loopback.
//
//     node runner.js DOCUMENT PUBLIC_ADDRESS    with the auth token in TOKEN
//
// Prints its port once it listens. The instant that Date.now() is to tell stands in the header x-now, in
// milliseconds. As Twilio documents it: an invalid signature is refused, query and form come in one `event`,
// the answer is what is handed to the callback.

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const vm = require('vm');

const [file, publicAddress] = process.argv.slice(2);
const token = process.env.TOKEN;
let now = 0;

class Response {
  constructor() {
    this.status = 200;
    this.headers = {};
    this.body = '';
  }
  setStatusCode(status) {
    this.status = status;
  }
  setBody(body) {
    this.body = body;
  }
  appendHeader(name, value) {
    this.headers[name] = value;
  }
}

function load() {
  const module = { exports: {} };
  const context = vm.createContext({ exports: module.exports, module, Twilio: { Response }, console, tell: () => now });
  vm.runInContext('Date.now = () => tell();', context);
  vm.runInContext(fs.readFileSync(file, 'utf8'), context, { filename: file });
  return module.exports.handler;
}

function signed(path, form, signature) {
  const names = [...new Set(form.keys())].sort();
  const text = names.map((name) => [...new Set(form.getAll(name))].sort().map((value) => name + value).join('')).join('');
  const right = crypto.createHmac('sha1', token).update(publicAddress + path + text, 'utf8').digest('base64');
  const [a, b] = [Buffer.from(right), Buffer.from(String(signature || ''))];
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

const handler = load();

http
  .createServer((request, answer) => {
    let body = '';
    request.on('data', (piece) => (body += piece));
    request.on('end', () => {
      const url = new URL(request.url, publicAddress);
      const form = new URLSearchParams(body);
      const refuse = (status) => answer.writeHead(status).end();
      if (url.pathname !== '/stand-in') return refuse(404);
      if (!signed(request.url, form, request.headers['x-twilio-signature'])) return refuse(403);
      now = Number(request.headers['x-now']);
      const event = { request: { headers: {}, cookies: {} }, ...Object.fromEntries(url.searchParams), ...Object.fromEntries(form) };
      try {
        return handler({}, event, (error, response) => {
          if (error) return refuse(500);
          answer.writeHead(response.status, response.headers).end(response.body);
        });
      } catch (error) {
        return refuse(500);
      }
    });
  })
  .listen(0, '127.0.0.1', function () {
    console.log(this.address().port);
  });
