/** How every room reports what happened; the engine stamps, stores and streams it (Engine API /events). */
export interface EngineEvent {
  type: 'container' | 'image' | 'volume' | 'network' | 'daemon' | 'builder';
  /** Docker's action: `create`, `die`, `health_status: healthy`, ... */
  action: string;
  /** The actor's id (for images: the reference or id that the client named). */
  id: string;
  attributes: Record<string, string>;
}

export type EmitEvent = (event: EngineEvent) => void;
