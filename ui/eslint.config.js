// Lint rules. Two of them hold the shape: one file knows Tauri, and no feature knows another.
import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import { readdirSync } from 'node:fs';
import ts from 'typescript-eslint';

const tauri = { group: ['@tauri-apps/*'], message: 'Only src/platform/tauri.ts knows Tauri.' };
const features = readdirSync(new URL('./src/features', import.meta.url));

const fences = features.map((own) => ({
  files: [`src/features/${own}/**`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          tauri,
          {
            group: [...features.filter((other) => other !== own).map((other) => `**/${other}/**`), '**/features/**', '**/app/**'],
            message: 'A feature imports from shared and platform only.',
          },
        ],
      },
    ],
  },
}));

export default ts.config(
  { ignores: ['dist', 'dist-e2e', 'src/platform/bindings.ts'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      'no-restricted-imports': ['error', { patterns: [tauri] }],
      'no-restricted-globals': ['error', 'alert', 'confirm', 'prompt'],
    },
  },
  {
    files: ['src/shared/**', 'src/platform/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [tauri, { group: ['**/features/**', '**/app/**'], message: 'Arrows run app, features, shared, platform.' }] },
      ],
    },
  },
  ...fences,
  { files: ['src/platform/tauri.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['e2e/**', '*.js'], languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly', document: 'readonly', window: 'readonly', getComputedStyle: 'readonly', requestAnimationFrame: 'readonly', fetch: 'readonly', setTimeout: 'readonly', DataTransfer: 'readonly', ClipboardEvent: 'readonly' } } },
);
