// Asks a Kisi twin through Kisi's own client, which knows nothing of Gatehouse: the header, pages, errors and bodies
// must be what that client expects. Usage: node check.mjs <base URL> <secret>
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import Kisi from 'kisi-client';

const [baseURL, secret] = process.argv.slice(2);
const kisi = new Kisi({ baseURL });

// One call at a time, as Kisi advises; the twin's clock is fast, so that a short pause is a long one there.
const ask = async (verb, path, body) => {
  await pause(20);
  return kisi[verb](path, body);
};

const refusal = async (status, code, verb, path, body) => {
  const error = await ask(verb, path, body).then(() => assert.fail(`${verb} ${path} went through`), e => e);
  assert.equal(error.status, status, `${verb} ${path}: ${error}`);
  assert.equal(error.code, code);
  return error.reason;
};

await refusal(401, '000401', 'get', '/user');
kisi.setLoginSecret(`not-${secret}`);
await refusal(401, '000401', 'get', '/user');
kisi.setLoginSecret(secret);

const own = await ask('get', '/user');
assert.equal(own.resourceType, 'User');
assert.equal(own.organization.id, own.organizationId);

const groups = await ask('get', '/groups', { limit: 1 });
assert.deepEqual(groups.pagination, { offset: 0, limit: 1, count: 2 });
assert.equal(groups.data.length, 1);
const second = await ask('get', '/groups', { limit: 10, offset: 1 });
assert.deepEqual(second.pagination, { offset: 1, limit: 10, count: 2 });
assert.equal(second.data.length, 1);
const none = await ask('get', '/controllers');
assert.deepEqual(none, { pagination: { offset: 0, limit: 0, count: 0 }, data: [] });

const user = await ask('post', '/users', {
  user: { email: 'vera@check.example', name: 'Vera', sendEmails: false, confirm: true, metadata: { box: '1' } }
});
assert.equal(user.name, 'Vera');
assert.equal(user.accessEnabled, true);
assert.deepEqual(user.metadata, { box: '1' });
await refusal(409, '000409', 'post', '/users', { user: { email: 'vera@check.example' } });
const reasons = await refusal(422, '000000', 'post', '/users', { user: { email: '' } });
assert.ok(Array.isArray(reasons.email));
const found = await ask('get', '/users', { email: 'vera@check.example' });
assert.deepEqual(found.data.map(one => one.id), [user.id]);

const roleAssignment = {
  appliesToType: 'Group', appliesToId: groups.data[0].id, assigneeType: 'User', assigneeId: user.id,
  roleId: 'group_basic', notify: false, validFrom: '2027-03-01T08:00:00Z', validUntil: '2027-03-01T10:00:00Z'
};
const row = await ask('post', '/role_assignments', { roleAssignment });
assert.equal(row.validUntil, '2027-03-01T10:00:00Z');
assert.equal(row.createdById, own.id);
assert.equal(row.group.name, groups.data[0].name);
assert.equal(typeof await refusal(409, '000409', 'post', '/role_assignments', { roleAssignment }), 'string');
// It has no PATCH: the twin takes PUT as the same, for this check alone.
const changed = await ask('put', `/role_assignments/${row.id}`, {
  roleAssignment: { validUntil: '2027-03-01T11:00:00Z', notify: false }
});
assert.ok(!changed, 'a 204 has no body');
assert.equal((await ask('get', `/role_assignments/${row.id}`)).validUntil, '2027-03-01T11:00:00Z');

const locks = await ask('get', '/locks', { query: 'gallery' });
assert.equal(locks.data.length, 1);
assert.equal((await ask('post', `/locks/${locks.data[0].id}/unlock`)).message, 'Unlocked!');
await refusal(400, '000400', 'get', '/group_locks');

const set = await ask('post', '/event_sets', { eventSet: { eventType: 'role_assignment.create,lock.unlock' } });
assert.equal(set.status, 'finished');
const last = set.events.slice(-2);
assert.deepEqual(last.map(event => event.type), ['role_assignment.create', 'lock.unlock']);
assert.ok(last.every(event => event.actorId === own.id && event.success));

await ask('delete', `/role_assignments/${row.id}`);
await refusal(404, '000404', 'delete', `/role_assignments/${row.id}`);
await ask('delete', `/users/${user.id}`);
await refusal(404, '000404', 'get', '/no_such_endpoint');
console.log('kisi-client found nothing wrong');
