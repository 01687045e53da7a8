import type { VolumeCreateRequest } from '#spec/wire/volume.ts';
import { anything, map, object, text, type Decoder } from './decoder.ts';

export const volumeCreateRequest = object<VolumeCreateRequest>('volume.CreateOptions', {
  Name: text,
  Driver: text,
  DriverOpts: map(text),
  Labels: map(text),
  ClusterVolumeSpec: anything as Decoder<NonNullable<unknown>>,
});
