// Import: source, read, secrets, review, work, result. Nothing is saved before the last step.

import { FileInput } from 'lucide-react';
import { useEffect, useState } from 'react';

import { asFault, expectAnswer } from '../../platform';
import type { Chosen, Fault, ImportView } from '../../platform';
import { Button, FaultMessage, Message, ProgressView } from '../../shared/controls';
import { Blocked } from '../../shared/fleet';
import { counted } from '../../shared/format';
import { setUnsaved, useSession } from '../../shared/session';
import { Steps } from '../../shared/Steps';
import { useDoing } from '../../shared/use';
import { Plan } from './Plan';
import { ReadFiles } from './ReadFiles';
import { SecretsStep } from './SecretsStep';
import './import.css';

export interface FileRead {
  file: Chosen;
  view: ImportView | null;
  fault: Fault | null;
}

type Step = 'source' | 'read' | 'secrets' | 'review' | 'done';
const STEPS: Step[] = ['source', 'read', 'secrets', 'review', 'done'];

export function ImportScreen() {
  const session = useSession();
  const { platform, dropped, takeDropped } = session;
  const [step, setStep] = useState<Step>('source');
  const [files, setFiles] = useState<FileRead[]>([]);
  const [plan, setPlan] = useState<ImportView | null>(null);
  const [result, setResult] = useState<ImportView | null>(null);
  const choosing = useDoing();
  const planning = useDoing();
  const importing = useDoing();

  const busy = importing.busy;
  useEffect(() => {
    // What is dropped while others are imported waits until that is done.
    if (dropped.length === 0 || busy) return;
    takeDropped();
    setFiles((old) => [...(step === 'done' ? [] : old), ...dropped.map((file) => ({ file, view: null, fault: null }))]);
    setResult(null);
    setPlan(null);
    setStep('read');
  }, [dropped, takeDropped, step, busy]);

  // Each file is read for itself, so that one that is bad doesn't hide the others.
  const unread = files.find((one) => one.view === null && one.fault === null)?.file;
  useEffect(() => {
    if (!unread) return;
    let wanted = true;
    const settle = (change: Partial<FileRead>) => {
      if (wanted) setFiles((old) => old.map((one) => (one.file.token === unread.token ? { ...one, ...change } : one)));
    };
    platform
      .importFiles([unread.token], true)
      .then((answer) => settle({ view: expectAnswer(answer, 'imported') }))
      .catch((reason: unknown) => settle({ fault: asFault(reason) }));
    return () => {
      wanted = false;
    };
  }, [unread, platform]);

  const planned = step === 'secrets' || step === 'review';
  useEffect(() => {
    setUnsaved(planned ? 'The files were read, and not imported yet.' : null);
    return () => setUnsaved(null);
  }, [planned]);

  const add = (chosen: Chosen[]) => {
    if (chosen.length === 0) return;
    setFiles((old) => [...old, ...chosen.map((file) => ({ file, view: null, fault: null }))]);
    setStep('read');
  };
  const choose = () => void choosing.run(async () => add(await platform.choose('import')));
  const tokens = files.filter((one) => one.view).map((one) => one.file.token);
  const makePlan = () =>
    void planning.run(async () => {
      const answer = expectAnswer(await platform.importFiles(tokens, true), 'imported');
      setPlan(answer);
      setStep(answer.plan.some((entry) => entry.missing.length > 0) ? 'secrets' : 'review');
    });
  const importAll = () =>
    void importing.run(async () => {
      const answer = expectAnswer(await platform.importFiles(tokens, false), 'imported');
      setResult(answer);
      setStep('done');
      await session.refresh();
    });
  const restart = () => {
    setFiles([]);
    setPlan(null);
    setResult(null);
    importing.clear();
    planning.clear();
    setStep('source');
  };
  const missing = (view: ImportView | null) => (view ? view.documents.reduce((sum, document) => sum + document.missing_secrets, 0) : 0);

  return (
    <div className="page import">
      <div className="head">
        <div>
          <h1>Import</h1>
          <p className="muted">BizTalk binding files become sealed ports. Nothing is saved before the last step.</p>
        </div>
      </div>
      <Steps steps={['Source', 'Read', 'Secrets', 'Review', 'Result']} at={STEPS.indexOf(step)} />

      {step === 'source' && (
        <>
          <div className="dropzone">
            <FileInput size={28} aria-hidden className="muted" />
            <p className="title">Drop binding files anywhere on this window</p>
            <p className="muted">UTF-8 or UTF-16, as BizTalk exports them. Several at once are fine.</p>
            <Button look="primary" onPress={choose} isDisabled={choosing.busy}>
              Choose files…
            </Button>
          </div>
          {choosing.fault && <FaultMessage fault={choosing.fault} />}
        </>
      )}

      {step === 'read' && (
        <>
          <ReadFiles files={files} onRemove={(file) => setFiles((old) => old.filter((one) => one.file.token !== file.token))} />
          {planning.fault && <FaultMessage fault={planning.fault} again={makePlan} />}
          <div className="row">
            <Button onPress={restart}>Start over</Button>
            <Button onPress={choose}>Add files…</Button>
            <span className="grow" />
            {files.some((one) => one.fault) && <span className="muted">Files that can’t be read are left out.</span>}
            <Button look="primary" onPress={makePlan} isDisabled={tokens.length === 0 || Boolean(unread) || planning.busy}>
              {planning.busy ? 'Comparing…' : 'Next'}
            </Button>
          </div>
        </>
      )}

      {step === 'secrets' && plan && (
        <>
          <SecretsStep missing={plan.plan.flatMap((entry) => entry.missing)} />
          <div className="row">
            <Button onPress={() => setStep('read')}>Back</Button>
            <span className="grow" />
            <Button look="primary" onPress={() => setStep('review')}>
              Next
            </Button>
          </div>
        </>
      )}

      {step === 'review' && plan && !busy && (
        <>
          <Plan view={plan} />
          {importing.fault && <FaultMessage fault={importing.fault} again={importAll} />}
          <div className="row">
            <Button onPress={() => setStep(plan.plan.some((entry) => entry.missing.length > 0) ? 'secrets' : 'read')}>Back</Button>
            <span className="grow" />
            <Blocked />
            <Button look="primary" onPress={importAll} isDisabled={!session.status?.sealing.possible}>
              {plan.created + plan.changed > 0 ? `Import ${counted(plan.created + plan.changed, 'port')}` : 'Import'}
            </Button>
          </div>
        </>
      )}

      {step === 'review' && busy && (
        <div className="panel">
          <div className="inside stack">
            <ProgressView fallback="Sealing ports…" onCancel={() => void platform.cancel()} />
            <p className="muted small">Cancel keeps nothing of this import.</p>
          </div>
        </div>
      )}

      {step === 'done' && result && (
        <>
          <Message live tone="ok" title={`Imported: ${counted(result.created, 'port')} new, ${result.changed} changed, ${result.unchanged} unchanged`}>
            {result.documents.map((document) => document.name).join(', ')}
          </Message>
          {missing(result) > 0 && (
            <Message tone="warn" title={`${counted(missing(result), 'secret is', 'secrets are')} missing`}>
              BizTalk removed them from the file. These ports can’t run elsewhere until they are filled in.
            </Message>
          )}
          <div className="row">
            <Button onPress={restart}>Import more</Button>
            <span className="grow" />
            <Button look={missing(result) > 0 ? 'plain' : 'primary'} onPress={() => session.go('ports')}>
              Go to ports
            </Button>
            {missing(result) > 0 && (
              <Button look="primary" onPress={() => session.go('missing')}>
                Fill {counted(missing(result), 'missing secret')}
              </Button>
            )}
          </div>
        </>
      )}
    </div>
  );
}
