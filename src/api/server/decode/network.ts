import type {
  ConfigReference,
  EndpointIPAMConfig,
  EndpointSettings,
  IPAM,
  IPAMConfig,
  NetworkConnectRequest,
  NetworkCreateRequest,
  NetworkDisconnectRequest,
} from '#spec/wire/network.ts';
import { flag, int, list, map, object, text } from './decoder.ts';

export const endpointSettings = object<EndpointSettings>('network.EndpointSettings', {
  IPAMConfig: object<EndpointIPAMConfig>('network.EndpointIPAMConfig', { IPv4Address: text, IPv6Address: text, LinkLocalIPs: list(text) }),
  Links: list(text),
  MacAddress: text,
  Aliases: list(text),
  DriverOpts: map(text),
  GwPriority: int,
  NetworkID: text,
  EndpointID: text,
  Gateway: text,
  IPAddress: text,
  IPPrefixLen: int,
  IPv6Gateway: text,
  GlobalIPv6Address: text,
  GlobalIPv6PrefixLen: int,
  DNSNames: list(text),
});

const ipamConfig = object<IPAMConfig>('network.IPAMConfig', { Subnet: text, IPRange: text, Gateway: text, AuxiliaryAddresses: map(text) });

export const networkCreateRequest = object<NetworkCreateRequest>('network.CreateRequest', {
  Name: text,
  CheckDuplicate: flag,
  Driver: text,
  Scope: text,
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  ConfigFrom: object<ConfigReference>('network.ConfigReference', { Network: text }),
  IPAM: object<IPAM>('network.IPAM', { Driver: text, Config: list(ipamConfig), Options: map(text) }),
  EnableIPv4: flag,
  EnableIPv6: flag,
  Options: map(text),
  Labels: map(text),
});

export const networkConnectRequest = object<NetworkConnectRequest>('network.ConnectOptions', { Container: text, EndpointConfig: endpointSettings });

export const networkDisconnectRequest = object<NetworkDisconnectRequest>('network.DisconnectOptions', { Container: text, Force: flag });
