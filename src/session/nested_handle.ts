/** A savepoint opened without a block; whoever opened it ends it. */
export interface NestedHandle {
  /** Whether it has not ended. */
  readonly isActive: boolean;
  /** Keeps its work. */
  release(): void;
  /** Undoes its work. */
  rollback(): Promise<void>;
}
