// A field diff: what it was, what it becomes. Secrets only as "changed".

import { KeySquare } from 'lucide-react';

import type { ChangeView } from '../platform';
import './changes.css';

export function Changes({ changes, label = 'Changes' }: { changes: ChangeView[]; label?: string }) {
  return (
    <ul className="changes" aria-label={label}>
      {changes.map((change) => (
        <li key={change.path}>
          <div className="row wrap">
            <span className="strong">{change.label}</span>
            <span className="muted small">{change.section}</span>
          </div>
          {change.secret ? (
            <p className="state warn">
              <KeySquare size={14} aria-hidden /> changed <span className="muted small">(values are not shown)</span>
            </p>
          ) : (
            <div className="ba">
              <Side mark="−" word="before" tone="bad" value={change.before} />
              <Side mark="+" word="after" tone="ok" value={change.after} />
            </div>
          )}
        </li>
      ))}
    </ul>
  );
}

function Side({ mark, word, tone, value }: { mark: string; word: string; tone: 'ok' | 'bad'; value: string | null }) {
  return (
    <div className={`side ${tone}`}>
      <span aria-hidden className={`tone-${tone}`}>
        {mark}
      </span>
      <span className="sr">{word}: </span>
      <span className="mono wrap-any">{value === null ? <em>not there</em> : value === '' ? <em>empty</em> : value}</span>
    </div>
  );
}
