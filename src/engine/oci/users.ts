/** Users and groups as an image's own /etc/passwd and /etc/group name them. */
import { invalid } from '#base/errors.ts';
import type { RootFiles } from './root-files.ts';

export interface ResolvedUser {
  uid: number;
  gid: number;
  /** Supplementary groups, `gid` first: a file's group permissions then hold for it however the process got there (CVE-2022-36109). */
  groups: number[];
  /** Home directory; `/` when the image has no entry for the user. */
  home: string;
}

const MAX_ID = 2 ** 31 - 1;
/** Far above what a real image has; a giant file must not exhaust the engine (CVE-2026-47262). */
const MAX_FILE = 4 << 20;
const MAX_GROUPS = 65536;

/**
 * Resolves `user`, `user:group`, `uid`, `uid:gid`, mixed forms and the empty text (root), then `additional` groups
 * (`--group-add`). A text of digits is always an id, even when the image has a user or group *named* so: otherwise an
 * image could make `--user 1000` mean root (CVE-2016-3697, CVE-2026-46680).
 * Throws invalid_argument with Docker's sentences for names the image does not have.
 */
export function resolveUser(spec: string, additional: readonly string[], files: RootFiles): ResolvedUser {
  const colon = spec.indexOf(':');
  const userText = colon < 0 ? spec : spec.slice(0, colon);
  const groupText = colon < 0 ? '' : spec.slice(colon + 1);
  const passwd = parsePasswd(files.read('/etc/passwd', MAX_FILE) ?? '');
  const groupFile = parseGroup(files.read('/etc/group', MAX_FILE) ?? '');

  const uidGiven = userText === '' ? 0 : parseId(userText);
  const entry = uidGiven === undefined ? passwd.find((user) => user.name === userText) : passwd.find((user) => user.uid === uidGiven);
  if (uidGiven === undefined && entry === undefined) throw invalid(`unable to find user ${userText}: no matching entries in passwd file`);
  const uid = checkId(uidGiven ?? entry?.uid ?? 0);

  let gid = entry?.gid ?? 0;
  let groups: number[] = [];
  if (groupText !== '') {
    const id = parseId(groupText) ?? groupFile.find((group) => group.name === groupText)?.gid;
    if (id === undefined) throw invalid(`unable to find group ${groupText}: no matching entries in group file`);
    gid = id;
  } else if (entry !== undefined) {
    groups = groupFile.filter((group) => group.members.includes(entry.name)).map((group) => group.gid);
  }
  for (const name of additional) {
    const id = parseId(name) ?? groupFile.find((group) => group.name === name)?.gid;
    if (id === undefined) throw invalid(`Unable to find group ${name}: no matching entries in group file`);
    groups.push(checkId(id));
  }
  const unique = [...new Set([gid, ...groups])].filter((id) => id >= 0 && id <= MAX_ID);
  if (unique.length > MAX_GROUPS) throw invalid(`user ${spec} is in ${unique.length} groups, the kernel allows ${MAX_GROUPS}`);
  return { uid, gid: checkId(gid), groups: unique, home: entry?.home || '/' };
}

/** Digits (with an optional sign, so that `-5` is out of range and not a name), else undefined. */
function parseId(text: string): number | undefined {
  return /^[+-]?\d+$/.test(text) ? Number(text) : undefined;
}

function checkId(id: number): number {
  if (!Number.isInteger(id) || id < 0 || id > MAX_ID) throw invalid(`uids and gids must be in range 0-${MAX_ID}`);
  return id;
}

function parsePasswd(text: string): { name: string; uid: number; gid: number; home: string }[] {
  return lines(text).flatMap((line) => {
    const [name = '', , uid, gid, , home = ''] = line.split(':');
    return name !== '' && isNumber(uid) && isNumber(gid) ? [{ name, uid: Number(uid), gid: Number(gid), home }] : [];
  });
}

function parseGroup(text: string): { name: string; gid: number; members: string[] }[] {
  return lines(text).flatMap((line) => {
    const [name = '', , gid, members = ''] = line.split(':');
    return name !== '' && isNumber(gid) ? [{ name, gid: Number(gid), members: members.split(',') }] : [];
  });
}

const lines = (text: string): string[] =>
  text.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
const isNumber = (text: string | undefined): text is string => text !== undefined && /^\d+$/.test(text);
