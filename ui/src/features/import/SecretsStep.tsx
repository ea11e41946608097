// Which secrets will be missing after the import, by user.

import type { MissingView } from '../../platform';
import { Message } from '../../shared/controls';
import { counted } from '../../shared/format';

const SHOWN = 200;

export function SecretsStep({ missing }: { missing: MissingView[] }) {
  const users = new Set(missing.map((one) => one.user)).size;
  return (
    <>
      <Message tone="warn" title={`${counted(missing.length, 'secret')} will be missing after the import`}>
        BizTalk removed them from the file. Import first, then fill them in one queue: {counted(users, 'user name stands', 'user names stand')} behind them. What you filled in before is kept.
      </Message>
      <div className="panel">
        <table className="table">
          <caption className="sr">Secrets that will be missing</caption>
          <thead>
            <tr>
              <th scope="col">Port</th>
              <th scope="col">Secret</th>
              <th scope="col">User</th>
              <th scope="col">Address</th>
            </tr>
          </thead>
          <tbody>
            {missing.slice(0, SHOWN).map((one) => (
              <tr key={`${one.application}/${one.name}/${one.property}`}>
                <td className="strong">{one.name}</td>
                <td>{one.label}</td>
                <td>{one.user || <span className="muted">none</span>}</td>
                <td className="mono wrap-any">{one.address}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {missing.length > SHOWN && <p className="inside muted">and {counted(missing.length - SHOWN, 'more secret', 'more')}.</p>}
      </div>
    </>
  );
}
