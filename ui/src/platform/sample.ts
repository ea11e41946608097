// Ports of an invented company, for the mock twin only.

import type { PortKind, PropertyView } from './bindings';

export interface MockProperty extends PropertyView {
  hidden: string | null;
}

export interface MockPort {
  kind: PortKind;
  application: string;
  name: string;
  description: string;
  document: string;
  transports: { path: string; label: string; adapter: string; address: string; handler: string; enabled: boolean | null }[];
  properties: MockProperty[];
}

interface Seed {
  kind: PortKind;
  application: string;
  name: string;
  adapter: string;
  address: string;
  user?: string;
  /** null: BizTalk removed it. */
  password?: string | null;
  extra?: [string, string][];
}

const seeds: Seed[] = [
  { kind: 'receive_port', application: 'Orders', name: 'ReceiveOrders', adapter: 'SFTP', address: 'sftp://edi.halden.example:22/orders/in/*.xml', user: 'svc_edi_in', password: 'Aq7!tidewater', extra: [['Host key fingerprint', 'SHA256:7d9f1c44b0'], ['Poll interval', '30']] },
  { kind: 'receive_port', application: 'Orders', name: 'ReceiveOrderChanges', adapter: 'WCF-SQL', address: 'mssql://sql-orders.halden.example//Orders?', user: 'svc_orders', password: null, extra: [['Polling statement', 'EXEC dbo.GetOrderChanges'], ['Poll interval', '60']] },
  { kind: 'send_port', application: 'Orders', name: 'SendOrders_SAP', adapter: 'WCF-SAP', address: 'sap://CLIENT=100;LANG=EN;@a/sap01.halden.example/00', user: 'RFC_BIZTALK', password: 'n0rth-Quay', extra: [['Receive IDoc format', 'Typed'], ['Enable safe typing', 'true']] },
  { kind: 'send_port', application: 'Orders', name: 'SendOrderResponse_FTP', adapter: 'FTP', address: 'ftp://ftp.partner.example:21/out/%MessageID%.xml', user: 'halden_out', password: null, extra: [['Representation', 'binary'], ['Passive mode', 'true']] },
  { kind: 'send_port', application: 'Orders', name: 'SendOrderArchive', adapter: 'FILE', address: '\\\\files.halden.example\\archive\\orders\\%MessageID%.xml', extra: [['Copy mode', 'CreateNew']] },
  { kind: 'send_port', application: 'Orders', name: 'SendOrderStatus_Portal', adapter: 'WCF-WebHttp', address: 'https://portal.halden.example/api/orders/status', user: 'portal-integration', password: 'glass*Harbour9', extra: [['HTTP method', 'POST'], ['Content type', 'application/json']] },
  { kind: 'send_port_group', application: 'Orders', name: 'OrderSubscribers', adapter: '', address: '' },
  { kind: 'receive_port', application: 'Invoicing', name: 'ReceiveInvoices', adapter: 'FILE', address: 'D:\\Integration\\Invoices\\In\\*.edi', extra: [['Rename while reading', 'true']] },
  { kind: 'receive_port', application: 'Invoicing', name: 'ReceiveInvoiceMail', adapter: 'POP3', address: 'POP3://mail.halden.example/invoices', user: 'invoices@halden.example', password: null, extra: [['Port', '995'], ['Use SSL', 'true']] },
  { kind: 'send_port', application: 'Invoicing', name: 'SendInvoices_Bank', adapter: 'SFTP', address: 'sftp://transfer.bank.example:2222/payments/%MessageID%.pain', user: 'halden-payments', password: 'Zephyr+4412', extra: [['Append if exists', 'false']] },
  { kind: 'send_port', application: 'Invoicing', name: 'SendInvoices_EDI', adapter: 'AS2', address: 'https://as2.partner.example/inbound', user: 'halden-as2', password: null },
  { kind: 'send_port', application: 'Invoicing', name: 'SendDunning_Mail', adapter: 'SMTP', address: 'finance@halden.example', user: 'svc_mail', password: 'paper/Kite33', extra: [['SMTP server', 'smtp.halden.example'], ['Subject', 'Payment reminder']] },
  { kind: 'receive_port', application: 'Logistics', name: 'ReceiveShipments', adapter: 'MQSC', address: 'mqsc://QM1/tcp/mq.halden.example(1414)/SHIPMENTS.IN', user: 'mqbiz', password: 'ferry^Lamp21' },
  { kind: 'receive_port', application: 'Logistics', name: 'ReceiveTracking', adapter: 'WCF-BasicHttp', address: '/Tracking/TrackingService.svc', extra: [['Security mode', 'Transport']] },
  { kind: 'send_port', application: 'Logistics', name: 'SendShipment_Carrier', adapter: 'WCF-BasicHttp', address: 'https://api.carrier.example/shipment/v2/Service.svc', user: 'HALDEN01', password: null, extra: [['Security mode', 'TransportWithMessageCredential']] },
  { kind: 'send_port', application: 'Logistics', name: 'SendLabels_Printer', adapter: 'FILE', address: '\\\\print01\\labels\\%MessageID%.zpl' },
  { kind: 'send_port', application: 'Logistics', name: 'SendStock_ServiceBus', adapter: 'SB-Messaging', address: 'sb://halden-stock.servicebus.example/updates', user: 'RootManageSharedAccessKey', password: 'kN8x/bq2+stock', extra: [['Use SAS authentication', 'true']] },
  { kind: 'receive_port', application: 'Personnel', name: 'ReceiveHours', adapter: 'WCF-SQL', address: 'mssql://sql-hr.halden.example//Hours?', user: 'svc_hours', password: 'onyx:Marina8' },
  { kind: 'send_port', application: 'Personnel', name: 'SendPayroll', adapter: 'SFTP', address: 'sftp://payroll.provider.example/halden/in/%MessageID%.csv', user: 'halden_payroll', password: null },
];

function property(path: string, label: string, section: string, value: string, more: Partial<MockProperty> = {}): MockProperty {
  const type = /^(true|false)$/.test(value) ? 'boolean' : /^\d+$/.test(value) ? 'integer' : 'text';
  return { path, label, section, depth: 0, type, value, secret: null, marked: false, choices: [], writable: true, hidden: null, ...more };
}

const WINDOW: [string, string][] = [['ServiceWindowEnabled', 'false'], ['FromTime', '2000-01-01T22:00:00'], ['ToTime', '2000-01-01T21:59:59']];
const SCHEDULE: [string, string][] = [
  ['ReceiveLocationServiceWindowEnabled', 'false'],
  ['ReceiveLocationFromTime', '2000-01-01T00:00:00'],
  ['ReceiveLocationToTime', '2000-01-01T23:59:59'],
  ['ReceiveLocationStartDateEnabled', 'false'],
  ['ReceiveLocationStartDate', '2019-03-04T00:00:00'],
  ['ScheduleRecurrenceType', 'None'],
  ['ScheduleTimeZone', 'UTC'],
];
const PIPELINE = ['Name', 'FullyQualifiedName', 'Type', 'TrackingOption', 'Description'];

function pipeline(base: string, name: string): MockProperty[] {
  const full = `Microsoft.BizTalk.DefaultPipelines.${name}`;
  const values = [full, `${full}, Microsoft.BizTalk.DefaultPipelines, Version=3.0.1.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35`, '1', 'ServiceStartEnd MessageSendReceive PipelineEvents', ''];
  const step = base.slice(base.lastIndexOf('/') + 1);
  return PIPELINE.map((key, index) => property(`${base}/@${key}`, `${step} ${key}`, 'Pipelines', values[index] ?? ''));
}

/** Paths, labels and sections as the service gives them for a port of that kind. */
function build(seed: Seed, document: string): MockPort {
  const receive = seed.kind === 'receive_port';
  const location = `${seed.name}_${seed.adapter}`;
  const section = receive ? `Receive location ${location}` : 'Primary transport';
  const base = receive ? 'ReceiveLocations/ReceiveLocation[1]' : 'PrimaryTransport';
  const type = receive ? 'ReceiveLocationTransportType' : 'TransportType';
  const config = `${base}/${type}Data/CustomProps/AdapterConfig/Config`;
  const handler = receive ? 'ReceiveHandler' : 'SendHandler';
  const host = receive ? 'BizTalkServerApplication' : 'SendHost64';
  const fixed = { writable: false };
  const properties: MockProperty[] = [
    property('@Name', 'Name', 'General', seed.name, fixed),
    property('@IsTwoWay', 'IsTwoWay', 'General', 'false'),
    property('@BindingOption', 'BindingOption', 'General', '1'),
    property('Description', 'Description', 'General', ''),
    property('ApplicationName', 'ApplicationName', 'General', seed.application, fixed),
  ];
  if (seed.kind === 'send_port_group') {
    properties.push(property('SendPorts/SendPortRef/@Name', 'SendPortRef Name', 'Members', 'SendOrders_SAP', fixed));
  } else {
    properties.push(
      property(`${base}/Address`, 'Address', section, seed.address),
      property(`${base}/${type}/@Name`, `${type} Name`, section, seed.adapter, fixed),
      property(`${base}/${type}/@Capabilities`, `${type} Capabilities`, section, '13579', fixed),
      property(`${base}/${type}/@ConfigurationClsid`, `${type} ConfigurationClsid`, section, 'ff5cee87-fd92-4422-b47d-f7d033311693', fixed),
    );
    for (const [label, value] of seed.extra ?? []) {
      const choices = label === 'Representation' ? ['binary', 'ASCII'] : label === 'Copy mode' ? ['Append', 'CreateNew', 'Overwrite'] : [];
      const step = label[0]!.toLowerCase() + label.slice(1).replaceAll(' ', '');
      properties.push(property(`${config}/${step}`, label, section, value, { choices, depth: 2 }));
    }
    if (seed.user !== undefined) {
      properties.push(
        property(`${config}/userName`, 'User name', section, seed.user, { depth: 2 }),
        property(`${config}/password`, 'Password', section, '', { depth: 2, type: 'text', value: null, secret: seed.password === null ? 'missing' : 'set', hidden: seed.password ?? null }),
      );
    }
    if (receive) {
      properties.push(...pipeline(`${base}/ReceivePipeline`, 'XMLReceive'), property(`${base}/Enable`, 'Enable', section, 'true'));
      properties.push(...SCHEDULE.map(([key, value]) => property(`${base}/${key}`, key, 'Schedule', value)));
    } else {
      properties.push(property(`${base}/RetryCount`, 'RetryCount', section, '3'), property(`${base}/RetryInterval`, 'RetryInterval', section, '5'));
      properties.push(...WINDOW.map(([key, value]) => property(`${base}/${key}`, key, section, value)), ...pipeline('TransmitPipeline', 'XMLTransmit'));
      properties.push(property('Filter/Filter/Group/Statement/@Property', 'Statement Property', 'Filter', 'BTS.MessageType', { depth: 1 }));
      properties.push(property('Filter/Filter/Group/Statement/@Value', 'Statement Value', 'Filter', 'http://schemas.halden.example/orders/2019/canonical#OrderConfirmation', { depth: 1 }));
    }
    properties.push(property(`${base}/${handler}/@Name`, `${handler} Name`, section, host), property(`${base}/${handler}/@HostTrusted`, `${handler} HostTrusted`, section, 'false'));
  }
  return {
    kind: seed.kind,
    application: seed.application,
    name: seed.name,
    description: '',
    document,
    transports: seed.adapter ? [{ path: base, label: receive ? location : 'Primary transport', adapter: seed.adapter, address: seed.address, handler: host, enabled: receive ? true : null }] : [],
    properties,
  };
}

export const copy = (port: MockPort): MockPort => structuredClone(port);

export function samplePorts(): MockPort[] {
  return seeds.map((seed) => build(seed, `Halden.${seed.application}.BindingInfo.xml`));
}

/** Many ports that look like real ones, the same for the same number. */
export function manyPorts(total: number): MockPort[] {
  return Array.from({ length: total }, (_, n) => {
    const seed = seeds[n % seeds.length] as Seed;
    const batch = Math.floor(n / seeds.length);
    return build(
      {
        ...seed,
        application: `${seed.application}.${String(batch % 40).padStart(2, '0')}`,
        name: `${seed.name}_${String(batch).padStart(4, '0')}`,
        address: seed.address.replace('halden', `site${batch}`),
      },
      `Bulk.${seed.application}.BindingInfo.xml`,
    );
  });
}

/** The ports of the file that the mock's dialog offers for import: two new, one that changes what is there. */
export function importedPorts(): MockPort[] {
  const document = 'Halden.Returns.BindingInfo.xml';
  return [
    build({ kind: 'receive_port', application: 'Returns', name: 'ReceiveReturns', adapter: 'FTP', address: 'ftp://ftp.partner.example/returns/in', user: 'halden_returns', password: null, extra: [['Poll interval', '30']] }, document),
    build({ kind: 'send_port', application: 'Returns', name: 'SendCreditNotes', adapter: 'SFTP', address: 'sftp://transfer.bank.example:2222/credit', user: 'halden_returns', password: null }, document),
    build({ kind: 'send_port', application: 'Orders', name: 'SendOrderArchive', adapter: 'FILE', address: '\\\\files2.halden.example\\archive\\orders\\%MessageID%.xml', extra: [['Copy mode', 'CreateNew']] }, document),
  ];
}
