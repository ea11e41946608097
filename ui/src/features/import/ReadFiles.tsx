// The files of an import, each with what was found in it or why it can't be read.

import { FileX2, FileCheck2, LoaderCircle, X } from 'lucide-react';

import type { Chosen } from '../../platform';
import { Empty, IconButton } from '../../shared/controls';
import { bytes, counted } from '../../shared/format';
import type { FileRead } from './ImportScreen';

export function ReadFiles({ files, onRemove }: { files: FileRead[]; onRemove: (file: Chosen) => void }) {
  if (files.length === 0) {
    return (
      <div className="panel">
        <Empty title="No file is left." text="Add one, or start over." />
      </div>
    );
  }
  return (
    <ul className="panel files" aria-label="Files">
      {files.map(({ file, view, fault }) => {
        const document = view?.documents[0];
        return (
          <li key={file.token}>
            <span className={fault ? 'tone-bad' : view ? 'tone-ok' : 'muted'}>
              {fault ? <FileX2 size={20} aria-hidden /> : view ? <FileCheck2 size={20} aria-hidden /> : <LoaderCircle size={20} className="spin" aria-hidden />}
            </span>
            <div className="grow stack tight">
              <span className="wrap-any">
                <span className="strong">{file.name}</span> <span className="muted small">{bytes(file.bytes)}</span>
              </span>
              {fault && (
                <span className="wrap-any">
                  <span className="tone-bad strong">
                    Can’t be read{fault.place ? `: line ${fault.place.line}, column ${fault.place.column}` : ''}.
                  </span>{' '}
                  {fault.message} <span className="muted">{fault.hint}</span>
                </span>
              )}
              {view && (
                <span className="muted">
                  {counted(view.documents.reduce((sum, one) => sum + one.ports, 0), 'port')}: {view.created} new, {view.changed} changed, {view.unchanged} unchanged.{' '}
                  {document && document.missing_secrets > 0 ? `${counted(document.missing_secrets, 'secret is', 'secrets are')} missing.` : ''}
                </span>
              )}
              {!view && !fault && <span className="muted">Reading…</span>}
              {document?.warnings.map((warning) => (
                <span key={warning} className="muted small">
                  Note: {warning}
                </span>
              ))}
            </div>
            <IconButton small label={`Take out ${file.name}`} icon={<X size={16} />} onPress={() => onRemove(file)} />
          </li>
        );
      })}
    </ul>
  );
}
