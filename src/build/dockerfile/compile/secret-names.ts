const secret = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const harmless = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** Whether a variable's name says that it holds a secret. */
export const isSecretName = (name: string): boolean => secret.test(name) && !harmless.test(name);
