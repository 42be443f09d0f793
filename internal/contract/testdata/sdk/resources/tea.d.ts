import * as Core from '../core';
import * as Leaves from './leaf';
export declare class Tea {
  constructor(client: Core.APIClient);
  run(body: TeaParams, options?: Core.RequestOptions): Core.APIPromise<Leaves.Tea>;
  run(options?: Core.RequestOptions): Core.APIPromise<string>;
}
export interface TeaParams {
  name: string;
  'x-hyphen'?: 'a-b' | "c'd" | null;
  cups: Array<TeaParams.Cup>;
  pots?: string[][] | (number | boolean)[];
  any?: unknown;
  sugar?: Record<string, number>;
  extras?: { [key: string]: unknown } | null;
  inline: { a?: 7; b: true };
  kind?: Kind;
  options?: Core.RequestOptions;
}
export declare namespace TeaParams {
  interface Cup {
    size: number | null;
    tea?: Leaves.Tea.Leaf;
    params?: TeaParams;
  }
}
export type Kind = 'green' | 'black';
export interface NotNeeded {
  a: string;
}
