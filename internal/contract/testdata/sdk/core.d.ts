export declare class APIPromise<T> extends Promise<T> {}
export declare class APIClient {
  get(path: string): APIPromise<unknown>;
}
export interface RequestOptions {
  fetch?: () => void;
}
