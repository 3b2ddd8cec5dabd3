export declare const threadCpuMs: () => number;
