import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSyntaxError } from './json-syntax.ts';

const faults: [string, string | undefined][] = [
  ['{}', undefined],
  ['{"a":[1,-2.5e+3,true,false,null,"\\u00e9\\n"],"b":{}} rest', undefined],
  ['{invalid json', "invalid character 'i' looking for beginning of object key string"],
  ['x', "invalid character 'x' looking for beginning of value"],
  ["'", String.raw`invalid character '\'' looking for beginning of value`],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b"}', `invalid character '"' after object key:value pair`],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['[1 2]', "invalid character '2' after array element"],
  ['[1,]', "invalid character ']' looking for beginning of value"],
  ['tru3', "invalid character '3' in literal true (expecting 'e')"],
  ['-a', "invalid character 'a' in numeric literal"],
  ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['"a\nb"', String.raw`invalid character '\n' in string literal`],
  ['{', 'unexpected EOF'],
  ['{"a":"b', 'unexpected EOF'],
  ['['.repeat(20_000), 'exceeded max depth'],
];
for (const [text, fault] of faults) test(`${text.slice(0, 40)}: ${fault}`, () => assert.equal(describeSyntaxError(text), fault));
