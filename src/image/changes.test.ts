import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyChanges } from './changes.ts';

test('each instruction edits its member', () => {
  const config = applyChanges({ Env: ['A=old', 'B=kept'] }, [
    'CMD ["sh", "-c"]',
    'entrypoint run it',
    'ENV A=new C="with blanks" D=\\$x',
    'ENV OLD form with blanks',
    'ENV PATHS=/own:$A TWICE="${B:-none}" NONE=${NOT_SET}',
    'EXPOSE 80 443/udp 8000-8001',
    'LABEL a=b "c d"="e f"',
    'USER www-data',
    'VOLUME ["/data"]\nVOLUME /a /b',
    'WORKDIR /srv',
    'WORKDIR app/../lib',
    'STOPSIGNAL SIGINT',
    'ONBUILD RUN make',
    'HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f localhost',
  ]);
  assert.deepEqual(config, {
    Env: ['A=new', 'B=kept', 'C=with blanks', 'D=$x', 'OLD=form with blanks', 'PATHS=/own:new', 'TWICE=kept', 'NONE='],
    Cmd: ['sh', '-c'],
    Entrypoint: ['/bin/sh', '-c', 'run it'],
    ExposedPorts: { '80/tcp': {}, '443/udp': {}, '8000/tcp': {}, '8001/tcp': {} },
    Labels: { a: 'b', 'c d': 'e f' },
    User: 'www-data',
    Volumes: { '/data': {}, '/a': {}, '/b': {} },
    WorkingDir: '/srv/lib',
    StopSignal: 'SIGINT',
    OnBuild: ['RUN make'],
    Healthcheck: { Interval: 90_000_000_000, Retries: 2, Test: ['CMD-SHELL', 'curl -f localhost'] },
  });
  assert.deepEqual(applyChanges({}, ['HEALTHCHECK NONE']).Healthcheck, { Test: ['NONE'] });
  assert.deepEqual(applyChanges({}, ['CMD [a']).Cmd, ['/bin/sh', '-c', '[a']);
  assert.equal(applyChanges({ Entrypoint: ['x'] }, ['ENTRYPOINT []']).Entrypoint, undefined);
});

test('what cannot be a change is refused in Docker words', () => {
  const cases: Record<string, string> = {
    'FROM x': 'FROM is not a valid change command',
    'FOO x': 'FOO is not a valid change command',
    'ENV a': 'ENV must have two arguments',
    'EXPOSE abc': 'Invalid containerPort: abc',
    'STOPSIGNAL !': 'invalid signal: !',
    USER: 'USER requires exactly one argument',
    'HEALTHCHECK RUN x': 'Unknown type "RUN" in HEALTHCHECK (try CMD)',
  };
  for (const [change, message] of Object.entries(cases)) assert.throws(() => applyChanges({}, [change]), { code: 'invalid_argument', message }, change);
});
