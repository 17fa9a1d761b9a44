/**
 * What tests of an application need.
 *
 * @module
 */
export { type RecordingDriver, recordingDriver } from "./recording_driver.ts";
export {
  type RollbackSource,
  type RollbackTest,
  rolledBack,
  withRollback,
  type WithRollbackOptions,
} from "./with_rollback.ts";
