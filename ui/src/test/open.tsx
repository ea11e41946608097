// Opens the app over the mock twin, for tests.

import { render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { App } from '../app/App';
import { Mock } from '../platform/mock';

export function openApp(query = '') {
  const mock = new Mock(new URLSearchParams(query));
  const view = render(<App platform={mock} />);
  return { mock, user: userEvent.setup(), ...view };
}
