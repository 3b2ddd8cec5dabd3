export declare const compile: (entries: Readonly<Record<string, string>>, folder: string) => Promise<readonly string[]>;
