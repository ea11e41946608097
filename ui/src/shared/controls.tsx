// Controls: React Aria's behaviour in our clothes.

import { Check, Info, LoaderCircle, X, CircleCheck, OctagonAlert, TriangleAlert } from 'lucide-react';
import { useEffect } from 'react';
import type { ReactNode } from 'react';
import {
  Button as AriaButton,
  Checkbox as AriaCheckbox,
  Dialog as AriaDialog,
  FieldError,
  Heading,
  Input,
  Label,
  Modal,
  ModalOverlay,
  Radio,
  RadioGroup,
  Text,
  TextField,
  ToggleButton,
  ToggleButtonGroup,
  Tooltip,
  TooltipTrigger,
} from 'react-aria-components';
import type { ButtonProps as AriaButtonProps, TextFieldProps } from 'react-aria-components';

import type { Fault } from '../platform';
import { useSession } from './session';
import { count, duration } from './format';
import { Words } from './Words';

export type Look = 'primary' | 'danger' | 'quiet' | 'link' | 'plain';

export interface ButtonProps extends Omit<AriaButtonProps, 'children' | 'className' | 'style'> {
  look?: Look;
  small?: boolean;
  icon?: ReactNode;
  children?: ReactNode;
}

export function Button({ look = 'plain', small, icon, children, ...rest }: ButtonProps) {
  const base = look === 'link' ? 'link' : look === 'plain' ? 'btn' : `btn ${look}`;
  return (
    <AriaButton {...rest} className={`${base}${small ? ' small' : ''}`}>
      {icon}
      {children}
    </AriaButton>
  );
}

/** A button with an icon only; its name is its tooltip. */
export function IconButton({ label, small, tip, ...rest }: Omit<ButtonProps, 'children' | 'look'> & { label: string; tip?: string }) {
  return (
    <TooltipTrigger delay={500}>
      <AriaButton {...rest} aria-label={label} className={`btn quiet icon${small ? ' small' : ''}`}>
        {rest.icon}
      </AriaButton>
      <Tooltip className="tooltip" offset={6}>
        {tip ?? label}
      </Tooltip>
    </TooltipTrigger>
  );
}

export interface FieldProps extends Omit<TextFieldProps, 'children' | 'className' | 'style'> {
  label: string;
  hideLabel?: boolean;
  hint?: ReactNode;
  error?: string | null;
  placeholder?: string;
  mono?: boolean;
}

export function Field({ label, hideLabel, hint, error, placeholder, mono, ...rest }: FieldProps) {
  return (
    <TextField {...rest} className="field" isInvalid={Boolean(error)}>
      <Label className={hideLabel ? 'sr' : undefined}>{label}</Label>
      <Input className={`input${mono ? ' mono' : ''}`} placeholder={placeholder} spellCheck={false} />
      {hint && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="invalid">{error}</FieldError>
    </TextField>
  );
}

export function CheckBox({ selected, onChange, children }: { selected: boolean; onChange: (on: boolean) => void; children: ReactNode }) {
  return (
    <AriaCheckbox className="check" isSelected={selected} onChange={onChange}>
      <span className="box" aria-hidden>
        <Check size={12} strokeWidth={3} />
      </span>
      <span>{children}</span>
    </AriaCheckbox>
  );
}

export interface Option<T extends string> {
  value: T;
  title: string;
  text?: string;
}

export function Options<T extends string>({ label, value, onChange, options }: { label: string; value: T; onChange: (value: T) => void; options: Option<T>[] }) {
  return (
    <RadioGroup className="stack" value={value} onChange={(next) => onChange(next as T)}>
      <Label className="field-label">{label}</Label>
      {options.map((option) => (
        <Radio key={option.value} value={option.value} className="radio" aria-label={option.title}>
          <span className="dot" aria-hidden />
          <span className="body">
            <span className="strong">{option.title}</span>
            {option.text && <span className="muted small">{option.text}</span>}
          </span>
        </Radio>
      ))}
    </RadioGroup>
  );
}

export function Segments<T extends string>({ label, value, onChange, options }: { label: string; value: T; onChange: (value: T) => void; options: Option<T>[] }) {
  return (
    <ToggleButtonGroup
      aria-label={label}
      className="segments"
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[value]}
      onSelectionChange={(keys) => {
        const [next] = [...keys];
        if (next !== undefined) onChange(String(next) as T);
      }}
    >
      {options.map((option) => (
        <ToggleButton key={option.value} id={option.value} className="segment">
          {option.title}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}

export interface DialogProps {
  title: string;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
  foot?: ReactNode;
  wide?: boolean;
  /** Work is going on: Escape and the cross do nothing. */
  locked?: boolean;
  alert?: boolean;
}

export function Dialog({ title, open, onClose, children, foot, wide, locked, alert }: DialogProps) {
  return (
    <ModalOverlay
      className="veil"
      isOpen={open}
      onOpenChange={(next) => !next && onClose()}
      isDismissable={!locked && !alert}
      isKeyboardDismissDisabled={Boolean(locked)}
    >
      <Modal className={`modal${wide ? ' wide' : ''}`}>
        <AriaDialog className="dialog" role={alert ? 'alertdialog' : 'dialog'}>
          <div className="head">
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            {!locked && <IconButton label="Close" small icon={<X size={16} />} onPress={onClose} />}
          </div>
          <div className="body">{children}</div>
          {foot && <div className="foot">{foot}</div>}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

/** The foot of a dialog that does one thing: cancel or do it, then be done. While it is being done there is none. */
export function ActFoot({ act, ready, busy, done, onAct, onClose, aside }: { act: string; ready: boolean; busy: boolean; done: boolean; onAct: () => void; onClose: () => void; aside?: ReactNode }) {
  if (done) {
    return (
      <>
        {aside}
        <Button look="primary" onPress={onClose} autoFocus>
          Done
        </Button>
      </>
    );
  }
  if (busy) return null;
  return (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button look="primary" onPress={onAct} isDisabled={!ready}>
        {act}
      </Button>
    </>
  );
}

export type Tone = 'ok' | 'warn' | 'bad' | 'info';

export function ToneIcon({ tone, size = 16 }: { tone: Tone; size?: number }) {
  if (tone === 'ok') return <CircleCheck size={size} aria-hidden />;
  if (tone === 'warn') return <TriangleAlert size={size} aria-hidden />;
  if (tone === 'bad') return <OctagonAlert size={size} aria-hidden />;
  return <Info size={size} aria-hidden />;
}

export function Message({ tone, title, children, action, live }: { tone: Tone; title: ReactNode; children?: ReactNode; action?: ReactNode; live?: boolean }) {
  return (
    <div className={`message ${tone}`} role={live ? (tone === 'bad' ? 'alert' : 'status') : undefined}>
      <ToneIcon tone={tone} size={18} />
      <div className="stack tight">
        <span className="strong wrap-any">{title}</span>
        {children && <div className="muted wrap-any">{children}</div>}
      </div>
      {action && <div className="row">{action}</div>}
    </div>
  );
}

/** What failed, on what, and what to do next. */
export function FaultMessage({ fault, again }: { fault: Fault; again?: () => void }) {
  return (
    <Message
      live
      tone="bad"
      title={<Words text={fault.message} />}
      action={
        again && (
          <Button small onPress={again}>
            Try again
          </Button>
        )
      }
    >
      {fault.hint && <Words text={fault.hint} />} <span className="mono small">({fault.code}{fault.place ? `, line ${fault.place.line}, column ${fault.place.column}` : ''})</span>
    </Message>
  );
}

export function Empty({ title, text, action, icon }: { title: string; text?: string; action?: ReactNode; icon?: ReactNode }) {
  return (
    <div className="empty">
      {icon}
      <p className="title">{title}</p>
      {text && <p>{text}</p>}
      {action}
    </div>
  );
}

export function Busy({ text, hint }: { text: string; hint?: string }) {
  return (
    <div className="empty" role="status">
      <LoaderCircle size={20} className="spin" aria-hidden />
      <p>{text}</p>
      {hint && <p>{hint}</p>}
    </div>
  );
}

/** Long work: what is done, how much, how long still, and a way out. */
export function ProgressView({ fallback, onCancel }: { fallback: string; onCancel?: () => void }) {
  const { progress, clearProgress } = useSession();
  useEffect(() => clearProgress, [clearProgress]);
  const words = progress?.doing || fallback;
  const share = progress && progress.total > 0 ? Math.min(1, progress.done / progress.total) : null;
  return (
    <div className="progress">
      <div className="row">
        <span className="grow strong" aria-live="polite">{words}</span>
        <span className="muted">
          {progress && progress.total > 0 ? `${count(progress.done)} of ${count(progress.total)}` : ''}
          {progress?.secondsLeft != null ? `, ${duration(progress.secondsLeft)} left` : ''}
        </span>
      </div>
      <div
        className="bar"
        role="progressbar"
        aria-label={words}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={share === null ? undefined : Math.round(share * 100)}
      >
        <div className={share === null ? 'fill open' : 'fill'} style={share === null ? undefined : { width: `${share * 100}%` }} />
      </div>
      {onCancel && (
        <div>
          <Button small onPress={onCancel}>
            Cancel
          </Button>
        </div>
      )}
    </div>
  );
}
