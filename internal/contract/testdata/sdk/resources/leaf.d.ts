export interface Tea {
  leaves: Array<Tea.Leaf>;
}
export declare namespace Tea {
  interface Leaf {
    colour: string;
    [k: string]: unknown;
  }
}
