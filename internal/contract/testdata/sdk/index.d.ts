import * as Core from './core';
import * as API from './resources/tea';
export declare class Kitchen extends Core.APIClient {
  tea: API.Tea;
  version(options?: Core.RequestOptions): Core.APIPromise<string>;
  url(): string;
}
