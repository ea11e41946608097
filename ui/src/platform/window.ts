// The window of the mock twin: it stays open while the page says that something would be lost, as the shell's does.

import type { Unsubscribe } from './index';

export class MockWindow {
  closed = false;
  private any = false;
  private readonly asking = new Set<() => void>();

  unsaved = async (any: boolean): Promise<void> => {
    this.any = any;
  };

  closing = (handler: () => void): Unsubscribe => {
    this.asking.add(handler);
    return () => this.asking.delete(handler);
  };

  close = async (): Promise<void> => {
    if (this.any) this.asking.forEach((ask) => ask());
    else this.closed = true;
  };
}
