// How the many values of a port are laid out: what is often edited first, then the sections of the document.

import type { PortView, PropertyView, TransportView } from '../../platform';

export interface Section {
  /** Also its name on the page. */
  title: string;
  /** What tells it apart where titles repeat, and what stands beside it. */
  aside: string;
  often: boolean;
  properties: PropertyView[];
}

const last = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Values of a transport that administrators change: where it goes, as whom, on which host, how often, whether at all. */
function isOften(property: PropertyView, transport: TransportView | undefined): boolean {
  if (property.secret !== null && property.secret !== 'unused') return true;
  if (!transport) return property.path === 'Description';
  const own = property.path.slice(transport.path.length + 1);
  return (
    ['Address', 'Enable', 'RetryCount', 'RetryInterval', 'SendHandler/@Name', 'ReceiveHandler/@Name'].includes(own) ||
    (/(user ?name|user|login|accesskeyname)$/i.test(last(property.path)) && property.secret === null && property.type === 'text')
  );
}

const RANK = [/\/Address$/, /user|login|keyname/i, /pass|secret|key/i, /Handler/, /RetryCount$/, /RetryInterval$/, /Enable$/];
const rank = (property: PropertyView): number => {
  if (property.secret !== null) return 2;
  const at = RANK.findIndex((pattern) => pattern.test(property.path));
  return at < 0 ? RANK.length : at;
};

/** Each value stands in one section only. */
export function sectionsOf(port: PortView): Section[] {
  const transportOf = (property: PropertyView) => port.transports.find((transport) => property.path.startsWith(`${transport.path}/`));
  const often = new Map<string, Section>();
  const rest = new Map<string, Section>();
  for (const property of port.properties) {
    const transport = transportOf(property);
    if (isOften(property, transport)) {
      const key = transport?.path ?? '';
      const title = !transport ? 'This port' : port.kind === 'receive_port' ? `Receive location ${transport.label}: essentials` : `${transport.label}: essentials`;
      if (!often.has(key)) often.set(key, { title, aside: transport?.adapter ?? '', often: true, properties: [] });
      often.get(key)?.properties.push(property);
    } else {
      if (!rest.has(property.section)) rest.set(property.section, { title: property.section, aside: '', often: false, properties: [] });
      rest.get(property.section)?.properties.push(property);
    }
  }
  for (const [key, section] of often) if (key) section.properties.sort((a, b) => rank(a) - rank(b));
  return [...[...often].sort(([a], [b]) => Number(a !== '') - Number(b !== '')).map(([, section]) => section), ...rest.values()];
}

/** The sections with only the values that fit all words, in label, path, section or value. A secret has no value to fit. */
export function fitting(sections: Section[], words: string): Section[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return sections;
  return sections
    .map((section) => ({
      ...section,
      properties: section.properties.filter((property) => {
        const text = `${property.label}\n${property.path}\n${property.section}\n${property.value ?? ''}\n${property.secret ? 'secret' : ''} ${property.secret === 'missing' ? 'missing' : ''}`.toLowerCase();
        return wanted.every((word) => text.includes(word));
      }),
    }))
    .filter((section) => section.properties.length > 0);
}
