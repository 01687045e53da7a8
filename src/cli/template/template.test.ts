import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execute } from './execute.ts';
import { functionNames } from './functions.ts';
import { parseTemplate } from './parse.ts';
import { goJson, Row } from './value.ts';

const data = {
  Name: '/web',
  Count: 3,
  On: true,
  None: null,
  List: ['a', 'b'],
  Labels: { 'com.acme.x': '1', b: '2' },
  State: { Status: 'running', Pid: 42 },
};

const run = (source: string): string => execute(parseTemplate(source, functionNames), data, { strictKeys: true });

for (const [source, expected] of [
  ['{{.Name}} {{.Count}} {{.On}}', '/web 3 true'],
  ['{{.State.Status}}', 'running'],
  ['{{(index .List 1)}}{{index .Labels "b"}}', 'b2'],
  ['{{index .Labels "none"}}', '<no value>'],
  ['{{.List}} {{.Labels}}', '[a b] map[b:2 com.acme.x:1]'],
  ['{{json .State}}', '{"Status":"running","Pid":42}'],
  ['{{range .List}}{{.}},{{end}}', 'a,b,'],
  ['{{range $i, $e := .List}}{{$i}}={{$e}} {{end}}', '0=a 1=b '],
  ['{{range $k, $v := .Labels}}{{$k}}:{{$v}};{{end}}', 'b:2;com.acme.x:1;'],
  ['{{range .None}}x{{else}}none{{end}}', 'none'],
  ['{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', 'a'],
  ['{{range .List}}{{if eq . "a"}}{{continue}}{{end}}{{.}}{{end}}', 'b'],
  ['{{range 2}}{{.}}{{end}}', '01'],
  ['{{with .State}}{{.Pid}}{{end}}{{with .None}}x{{else}}-{{end}}', '42-'],
  ['{{if .None}}a{{else if .On}}b{{else}}c{{end}}', 'b'],
  ['{{$x := .Count}}{{if .On}}{{$x = 9}}{{end}}{{$x}}', '9'],
  ['a {{- " b " -}} c', 'a b c'],
  ['{{/* nothing */}}x', 'x'],
  ['{{eq .Count 3}} {{ne .Count 3}} {{lt 1 2}} {{ge 2 2}} {{eq .Name "a" "/web"}}', 'true false true true true'],
  ['{{and .On .Name}} {{or .None "x"}} {{not .On}}', '/web x false'],
  ['{{len .List}} {{len .Name}} {{len .Labels}}', '2 4 2'],
  ['{{.Name | upper | printf "%-6s|"}}', '/WEB  |'],
  ['{{printf "%s %d %q %v %5.1f %t %x %%" "a" 3 "b" .List 2.25 true 255}}', 'a 3 "b" [a b]   2.3 true ff %'],
  ['{{join .List "-"}} {{split "a,b" ","}} {{lower "AB"}} {{title "web app"}}', 'a-b [a b] ab Web App'],
  ['{{truncate "abcdef" 3}} {{pad "x" 1 2}}| {{slice .Name 1}} {{slice .List 0 1}}', 'abc  x  | web [a]'],
  ['{{println "a" 1}}{{print 1 2 "a" "b"}}', 'a 1\n1 2a b'.replace('a b', 'ab')],
  ['{{define "t"}}<{{.}}>{{end}}{{template "t" .Count}}', '<3>'],
  ['{{ `raw\\n` }}{{"tab\\t"}}', 'raw\\ntab\t'],
] as const) {
  test(`${source} gives ${JSON.stringify(expected)}`, () => assert.equal(run(source), expected));
}

for (const [source, message] of [
  ['{{.Foo}}', 'template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"'],
  ['{{.State.Foo}}', 'template: :1:8: executing "" at <.State.Foo>: map has no entry for key "Foo"'],
  ['x\n {{.None.Foo}}', 'template: :2:8: executing "" at <.None.Foo>: nil pointer evaluating interface {}.Foo'],
  ['{{.Name', 'template: :1: unclosed action'],
  ['{{if}}x{{end}}', 'template: :1: missing value for if'],
  ['{{if .On}}', 'template: :1: unexpected EOF'],
  ['{{end}}', 'template: :1: unexpected {{end}}'],
  ['{{nope .Name}}', 'template: :1: function "nope" not defined'],
  ['{{$x}}', 'template: :1: undefined variable "$x"'],
  ['{{"x}}', 'template: :1: unterminated quoted string'],
  ['{{index .List 5}}', 'template: :1:2: executing "" at <index .List 5>: error calling index: index out of range: 5'],
  ['{{eq .Name 3}}', 'template: :1:2: executing "" at <eq .Name 3>: error calling eq: incompatible types for comparison'],
] as const) {
  test(`${source} fails as in Go`, () => assert.throws(() => run(source), { message }));
}

test('rows know their fields and methods, and name their type', () => {
  const row = new Row('*formatter.ContainerContext', { ID: () => 'abc', Ports: () => '80->80' }, { Label: (name) => `<${String(name)}>` });
  const on = (source: string): string => execute(parseTemplate(source, functionNames), row);
  assert.equal(on('{{.ID}} {{.Label "x"}}'), 'abc <x>');
  assert.equal(on('{{json .}}'), '{"ID":"abc","Ports":"80-\\u003e80"}');
  assert.throws(() => on('{{.Foo}}'), { message: `template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext` });
});

test('integers beyond doubles keep their digits in JSON', () => {
  assert.equal(goJson({ a: 9223372036854771712n }), '{"a":9223372036854771712}');
});
