// The checks before a promotion: outcome by shape, word and colour; what stops it stands first.

import type { CheckOutcome, PreflightView } from '../../platform';
import { ToneIcon } from '../../shared/controls';
import type { Tone } from '../../shared/controls';
import { Words } from '../../shared/Words';
import { checkTitle } from './promotion';

const OUTCOME: Record<CheckOutcome, { tone: Tone; word: string; rank: number }> = {
  failed: { tone: 'bad', word: 'Failed', rank: 0 },
  warning: { tone: 'warn', word: 'Warning', rank: 1 },
  passed: { tone: 'ok', word: 'Passed', rank: 2 },
};

export function Preflight({ view, busy }: { view: PreflightView; busy: boolean }) {
  const checks = [...view.checks].sort((a, b) => OUTCOME[a.outcome].rank - OUTCOME[b.outcome].rank);
  const failed = checks.filter((check) => check.outcome === 'failed').length;
  const warned = checks.filter((check) => check.outcome === 'warning').length;
  const passed = checks.length - failed - warned;
  const parts = [failed > 0 && `${failed} failed`, warned > 0 && `${warned} to read`, `${passed} passed`].filter(Boolean);
  return (
    <section className="panel" aria-labelledby="preflight">
      <header>
        <h2 id="preflight" className="grow">
          Preflight
        </h2>
        <span className="muted" role="status">
          {busy ? 'Looking again…' : parts.join(', ')}
        </span>
      </header>
      <ul className="checks">
        {checks.map((check) => {
          const { tone, word } = OUTCOME[check.outcome];
          return (
            <li key={check.id}>
              <span className={`state ${tone}`}>
                <ToneIcon tone={tone} /> {word}
              </span>
              <span className="strong">{checkTitle(check)}</span>
              <span>
                <Words text={check.message} />
                {check.hint && (
                  <span className="muted">
                    {' '}
                    <Words text={check.hint} />
                  </span>
                )}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
