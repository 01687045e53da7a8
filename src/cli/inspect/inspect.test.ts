import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionNames } from '../template/functions.ts';
import { parseTemplate } from '../template/parse.ts';
import { runOn } from './inspect.ts';
import { indentJson } from './json-indent.ts';

const text = '{"Id":"abc","State":{"Status":"exited","Pid":0},"HostConfig":{"CapAdd":null,"PortBindings":{},"Memory":9223372036854771712,"Dns":[]},"Config":{"Labels":{"a":"1"},"Entrypoint":null},"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"","HostPort":"8080"}],"81/tcp":null}}}';
const show = (source: string): string => runOn(parseTemplate(source, functionNames), text);

test('JSON is indented as it came: order, escapes and long numbers', () => {
  assert.equal(indentJson('[{"b":9223372036854771712,"a":"\\u003c{x","c":{},"d":[ ],"e":[1,2]}]'), `[
    {
        "b": 9223372036854771712,
        "a": "\\u003c{x",
        "c": {},
        "d": [],
        "e": [
            1,
            2
        ]
    }
]`);
});

for (const [source, expected] of [
  ['{{.Id}} {{.ID}} {{.HostConfig.DNS}}', 'abc abc []'],
  ['{{.HostConfig.CapAdd}} {{.Config.Entrypoint}} {{.HostConfig.PortBindings}} {{.HostConfig.Memory}}', '[] [] map[] 9223372036854771712'],
  ['{{json .HostConfig.CapAdd}} {{json .Config}}', 'null {"Labels":{"a":"1"},"Entrypoint":null}'],
  ['{{.State.Health}} {{if .State.Health}}h{{else}}n{{end}}', '<nil> n'],
  ['{{index .Config.Labels "a"}}|{{index .Config.Labels "b"}}|{{.Config.Labels.b}}', '1||<no value>'],
  ['{{range $p, $c := .NetworkSettings.Ports}}{{$p}}={{range $c}}{{.HostPort}}{{end}} {{end}}', '80/tcp=8080 81/tcp= '],
  ['{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', '8080'],
] as const) {
  test(`${source} gives ${expected}`, () => assert.equal(show(source), expected));
}

for (const [source, message] of [
  ['{{.State.Health.Status}}', 'template: :1:8: executing "" at <.State.Health.Status>: map has no entry for key "Health"'],
  ['{{.Foo}}', 'template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"'],
] as const) {
  test(`${source} fails as in docker`, () => assert.throws(() => show(source), { message }));
}
