/** The package's library: a typed client of the Engine API, for Gantry and dockerd. */
export { type ClientOptions, createClient, type EngineClient } from '#api/client/client.ts';
export { EngineError, type ErrorCode } from '#base/errors.ts';
