import { createHash } from 'node:crypto';
import type { FoundPackage } from '#host/jail.ts';

/** An SPDX 2.3 document of what is installed; the same packages give the same document. */
export function spdxDocument(name: string, packages: readonly FoundPackage[], created: string): Record<string, unknown> {
  const sorted = packages.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const listed = sorted.map((item, index) => ({
    SPDXID: `SPDXRef-Package-${item.manager}-${item.name.replaceAll(/[^A-Za-z0-9.-]/g, '-')}-${index}`,
    name: item.name,
    versionInfo: item.version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: /^[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*$/.test(item.license) ? item.license : 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    sourceInfo: `acquired package info from: ${item.source}`,
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl(item) }],
  }));
  const fingerprint = createHash('sha256').update(JSON.stringify([name, sorted])).digest('hex');
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `https://gantry.invalid/spdx/${fingerprint}`,
    creationInfo: { created, creators: ['Tool: gantry'], licenseListVersion: '3.25' },
    packages: listed,
    relationships: listed.map(({ SPDXID }) => ({ spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: SPDXID })),
  };
}

const keyOf = (item: FoundPackage): string => [item.manager, item.name, item.version, item.source].join('\0');

function purl({ manager, name, version, architecture }: FoundPackage): string {
  const namespace = manager === 'deb' ? 'debian/' : manager === 'apk' ? 'alpine/' : '';
  const path = name.split('/').map(encodeURIComponent).join('/');
  return `pkg:${manager}/${namespace}${path}@${encodeURIComponent(version)}${architecture === '' ? '' : `?arch=${encodeURIComponent(architecture)}`}`;
}
