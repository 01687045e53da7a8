/** The package's library: a typed client of the Engine API, for Gantry and dockerd. */
export { type ClientOptions, createClient, type EngineClient } from './client.ts';
export { EngineError, type ErrorCode } from '#base/errors.ts';
