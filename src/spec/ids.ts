declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** Full 64-digit id of a container, exec or network. Parsed or made once; a prefix from a client is not one. */
export type ContainerId = Brand<string, 'ContainerId'>;
export type ExecId = Brand<string, 'ExecId'>;
export type NetworkId = Brand<string, 'NetworkId'>;

export const asContainerId = (id: string): ContainerId => id as ContainerId;
export const asExecId = (id: string): ExecId => id as ExecId;
export const asNetworkId = (id: string): NetworkId => id as NetworkId;
