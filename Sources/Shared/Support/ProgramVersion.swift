/// The version of both programs, told to Milvus and printed by `--version`.
package let programVersion = "0.1.0"
