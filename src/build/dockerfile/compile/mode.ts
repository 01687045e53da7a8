import { invalid } from '#base/errors.ts';

/** `--chmod`: octal up to 7777, or symbolic (`u=rwX,go=r`). Throws invalid_argument for anything else. */
export function checkMode(mode: string): void {
  const octal = /^[0-7]+$/.test(mode);
  if (octal && Number.parseInt(mode, 8) <= 0o7777) return;
  if (octal || /^\d+$/.test(mode)) throw invalid(`invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777`);
  if (!/^[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*$/.test(mode)) throw invalid(`invalid mode: ${JSON.stringify(mode)}`);
}
