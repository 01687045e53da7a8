import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { SeccompRule } from '#spec/oci-runtime.ts';
import { capabilityNames } from '#host/capability-names.ts';
import { defaultCapabilities } from './capabilities.ts';
import { compileDefaultSeccomp, compileSeccompProfile } from './seccomp.ts';
import { testFacts } from './test-facts.ts';

const allowed = (rules: SeccompRule[] = []): Set<string> => new Set(rules.filter(({ action, args }) => action === 'SCMP_ACT_ALLOW' && !args).flatMap(({ names }) => names));

describe('the default filter', () => {
  const plain = compileDefaultSeccomp(defaultCapabilities, testFacts);

  test('denies by default with EPERM, on every table the machine runs', () => {
    assert.equal(plain.defaultAction, 'SCMP_ACT_ERRNO');
    assert.equal(plain.defaultErrnoRet, 1);
    assert.deepEqual(plain.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
  });
  test('leaves out what reaches the host', () => {
    const names = allowed(plain.syscalls);
    for (const name of ['mount', 'bpf', 'kexec_load', 'init_module', 'open_by_handle_at', 'userfaultfd', 'keyctl', 'add_key', 'io_uring_setup', 'setns']) {
      assert.equal(names.has(name), false, name);
    }
    for (const name of ['read', 'openat2', 'clone', 'execve', 'ptrace', 'chroot', 'arch_prctl']) {
      assert.equal(names.has(name) || name === 'clone', true, name);
    }
  });
  test('clone makes no namespaces and clone3 says it is not there, unless one may administer', () => {
    const rule = (rules: SeccompRule[] | undefined, name: string) => rules?.find(({ names, args, errnoRet }) => names.includes(name) && (args ?? errnoRet));
    assert.deepEqual(rule(plain.syscalls, 'clone')?.args, [{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]);
    assert.equal(rule(plain.syscalls, 'clone3')?.errnoRet, 38);
    const admin = compileDefaultSeccomp([...defaultCapabilities, 'CAP_SYS_ADMIN'], testFacts);
    assert.equal(rule(admin.syscalls, 'clone3'), undefined);
    assert.equal(allowed(admin.syscalls).has('mount'), true);
  });
  test('names nothing twice', () => {
    const names = plain.syscalls?.filter(({ args }) => !args).flatMap((each) => each.names) ?? [];
    assert.equal(new Set(names).size, names.length);
  });

  const reference = new URL('../../../../shared/spec/seccomp-default.json', import.meta.url);
  test('means the same as the reference profile', { skip: !existsSync(reference) && 'the reference is not here' }, () => {
    const json = readFileSync(reference, 'utf8');
    const sorted = (rules: SeccompRule[] = []): string[] =>
      rules.flatMap(({ names, action, errnoRet, args }) =>
        names.map((name) => JSON.stringify([name, action, errnoRet ?? 0, (args ?? []).map(({ index, value, valueTwo = 0, op }) => [index, value, valueTwo, op])])),
      ).sort();
    for (const architecture of ['amd64', 'arm64', 's390x', 'riscv64', 'ppc64le']) {
      for (const capabilities of [[], defaultCapabilities, ...capabilityNames.map((name) => [name])]) {
        const facts = { ...testFacts, architecture };
        const theirs = compileSeccompProfile(json, capabilities, facts);
        const ours = compileDefaultSeccomp(capabilities, facts);
        assert.deepEqual(sorted(ours.syscalls), [...new Set(sorted(theirs.syscalls))], `${architecture} ${capabilities.join()}`);
      }
    }
  });
});

describe('profiles from files', () => {
  const compile = (profile: unknown, capabilities: string[] = []) => compileSeccompProfile(JSON.stringify(profile), capabilities, testFacts);
  test('OCI form passes through', () => {
    const profile = { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86_64'], syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 }] };
    assert.deepEqual(compile(profile), profile);
  });
  test('conditions on capabilities, architectures and kernels', () => {
    const rule = (name: string, more: object) => ({ name, action: 'SCMP_ACT_ALLOW', ...more });
    const profile = {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [
        rule('a', { includes: { caps: ['CAP_SYS_ADMIN'] } }), rule('b', { excludes: { caps: ['CAP_SYS_ADMIN'] } }),
        rule('c', { includes: { arches: ['arm64'] } }), rule('d', { includes: { minKernel: '6.18' } }), rule('e', { includes: { minKernel: '6.19' } }),
      ],
    };
    assert.deepEqual([...allowed(compile(profile).syscalls)], ['b', 'd']);
    assert.deepEqual([...allowed(compile(profile, ['CAP_SYS_ADMIN']).syscalls)], ['a', 'd']);
  });
  test('archMap picks this machine’s tables', () => {
    const archMap = [{ architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [] }, { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }];
    assert.deepEqual(compile({ defaultAction: 'SCMP_ACT_ALLOW', archMap }).architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
    assert.throws(() => compile({ defaultAction: 'SCMP_ACT_ALLOW', archMap, architectures: ['x'] }), /use either 'architectures' or 'archMap'/);
  });
  for (const bad of ['bogus', '[]', '{}', '{"defaultAction":"SCMP_ACT_NOTIFY"}', '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}']) {
    test(`refuses ${bad}`, () => assert.throws(() => compileSeccompProfile(bad, [], testFacts), { code: 'invalid_argument', message: /^Decoding seccomp profile failed/ }));
  }
});
