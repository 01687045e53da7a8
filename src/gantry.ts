import { main } from '#cli/main.ts';

// No top-level await: the program is built as CommonJS.
void main(process.argv.slice(2)).then((code) => process.exit(code));
