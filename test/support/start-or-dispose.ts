/** Starts a cluster and returns it. If that fails, the cluster is disposed of first, so that none of its processes and files is left. */
export const startOrDispose = async <Cluster extends AsyncDisposable & { start(): Promise<unknown> }>(
  cluster: Cluster,
): Promise<Cluster> => {
  try {
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
};
