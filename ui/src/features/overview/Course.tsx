// What the system is in the middle of, or came through lately, one line each: a rotation, a new master, a former one.

import { ArrowRight, Crown, RefreshCw, ShieldCheck } from 'lucide-react';

import type { AuditView, StatusView } from '../../platform';
import { Button } from '../../shared/controls';
import { exactly, when } from '../../shared/format';
import { paceWords, percent, rotationWords } from '../../shared/rotation';
import { useSession } from '../../shared/session';
import { courseOf } from './course';

export function Course({ status, entries }: { status: StatusView; entries: AuditView[] }) {
  const { go } = useSession();
  const { rotation } = status;
  const lately = courseOf(entries, Date.now());
  if (!rotation && lately.length === 0) return null;
  const share = rotation && percent(rotation);
  const pace = rotation && !rotation.paused ? paceWords(rotation) : null;
  return (
    <section className="panel" aria-label="Under way">
      <ul className="rows">
        {rotation && (
          <li className="course">
            <span className="state ok">
              <RefreshCw size={16} aria-hidden />
            </span>
            <span>
              <span className="strong">Rotation{rotation.paused ? ', paused' : ''}{share === null ? '' : `, ${share} %`}.</span> {rotationWords(rotation)} {pace && <span className="muted">{pace}.</span>}
            </span>
            <Button small icon={<ArrowRight size={14} />} aria-label="Open: the rotation" onPress={() => go('master')}>
              Open
            </Button>
          </li>
        )}
        {lately.map((event) => (
          <li className="course" key={event.seq}>
            <span className={event.kind === 'master' ? 'state tone-master' : 'state ok'}>{event.kind === 'master' ? <Crown size={16} aria-hidden /> : <ShieldCheck size={16} aria-hidden />}</span>
            <span>
              <span className="strong">{event.title}</span> <span className="muted">{event.detail}</span>{' '}
              <span className="muted nowrap" title={exactly(event.at)}>
                {when(event.at)}
              </span>
            </span>
            <Button small icon={<ArrowRight size={14} />} aria-label={`Open: ${event.title}`} onPress={() => go('nodes')}>
              Open
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
