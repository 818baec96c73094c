import { BlockList, isIP } from 'node:net';

/* Where an IP address lies, seen from this machine. */

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** The link, where clouds keep the credentials of a machine, and addresses of nobody (RFC 3927, RFC 4291, RFC 6890). */
const link = new BlockList();
link.addSubnet('169.254.0.0', 16);
link.addSubnet('fe80::', 10, 'ipv6');

const nobody = new BlockList();
nobody.addSubnet('0.0.0.0', 8);
nobody.addSubnet('192.0.0.0', 24);
nobody.addSubnet('224.0.0.0', 4);
nobody.addSubnet('240.0.0.0', 4);
nobody.addAddress('::', 'ipv6');
nobody.addSubnet('ff00::', 8, 'ipv6');

/** Networks of one's own (RFC 1918, RFC 2544, RFC 6598, RFC 4193, site-local of RFC 3879, translators of RFC 8215). */
const own = new BlockList();
own.addSubnet('10.0.0.0', 8);
own.addSubnet('100.64.0.0', 10);
own.addSubnet('172.16.0.0', 12);
own.addSubnet('192.168.0.0', 16);
own.addSubnet('198.18.0.0', 15);
own.addSubnet('fc00::', 7, 'ipv6');
own.addSubnet('fec0::', 10, 'ipv6');
own.addSubnet('64:ff9b:1::', 48, 'ipv6');

/** How far out an IP address lies: 0 is this machine and its link, 1 its network, 2 the world. */
export function distanceOfIp(address: string): 0 | 1 | 2 {
  const all = [address, ...carriedBy(address)];
  const some = (list: BlockList): boolean => all.some((each) => isIn(list, each));
  return some(loopback) || some(link) || some(nobody) ? 0 : some(own) ? 1 : 2;
}

export function isLoopbackIp(address: string): boolean {
  return isIn(loopback, address);
}

/** Does it lead to the link, where clouds answer whoever asks with the credentials of the machine? */
export function isLinkIp(address: string): boolean {
  return [address, ...carriedBy(address)].some((each) => isIn(link, each));
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** The IPv4 address that a translator would make of an IPv6 address, if it is one of theirs. */
function carriedBy(address: string): string[] {
  if (isIP(address) !== 6) return [];
  const words = wordsOf(address);
  const at = (index: number): number => words[index] as number;
  const v4 = (high: number, low: number): string[] => [`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`];
  const startsWith = (...start: number[]): boolean => start.every((word, index) => word === at(index));
  // Compatible, mapped and translated (RFC 4291, RFC 2765); NAT64 (RFC 6052, RFC 8215). The addresses :: and ::1 are their own.
  if (startsWith(0, 0, 0, 0) && at(4) === 0 && at(5) === 0) return at(6) === 0 && at(7) < 2 ? [] : v4(at(6), at(7));
  if (startsWith(0, 0, 0, 0, 0, 0xffff) || startsWith(0, 0, 0, 0, 0xffff, 0)) return v4(at(6), at(7));
  if (startsWith(0x64, 0xff9b, 0, 0, 0, 0) || startsWith(0x64, 0xff9b, 1)) return v4(at(6), at(7));
  // 6to4 (RFC 3056), and Teredo (RFC 4380), which keeps the address of its client inverted.
  if (startsWith(0x2002)) return v4(at(1), at(2));
  if (startsWith(0x2001, 0)) return v4(at(6) ^ 0xffff, at(7) ^ 0xffff);
  return [];
}

/** The eight words of an IPv6 address. The URL parser writes it without dots and without a zone. */
function wordsOf(address: string): number[] {
  const text = new URL(`http://[${address.replace(/%.*$/u, '')}]`).hostname.slice(1, -1);
  const [before = '', after] = text.split('::');
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [head, tail] = [words(before), words(after ?? '')];
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}
