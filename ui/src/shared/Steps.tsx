// Where one is on a way of several steps.

import { Check } from 'lucide-react';

export function Steps({ steps, at }: { steps: string[]; at: number }) {
  return (
    <ol className="steps" aria-label="Steps">
      {steps.map((step, index) => (
        <li key={step} className={index < at ? 'done' : index === at ? 'now' : ''} aria-current={index === at ? 'step' : undefined}>
          <span className="bead" aria-hidden>
            {index < at ? <Check size={12} strokeWidth={3} /> : index + 1}
          </span>
          {step}
        </li>
      ))}
    </ol>
  );
}
