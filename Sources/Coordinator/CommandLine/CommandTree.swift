import CommandLineInterface

/// All commands with their options, as the help shows them.
enum CommandTree {
    /// What is run for a command; nil for one that only has others below it.
    static func implementation(of path: [String]) -> (any CommandImplementation)? {
        switch path {
        case ["create"]: CreateCommand()
        case ["restore"]: RestoreCommand()
        case ["list"]: ListCommand()
        case ["get"]: GetCommand()
        case ["delete"]: DeleteCommand()
        case ["check"]: CheckCommand()
        case ["config", "show"]: ConfigShowCommand()
        case ["config", "migrate"]: ConfigMigrateCommand()
        case ["completion"]: CompletionCommand()
        case ["version"]: VersionCommand()
        default: nil
        }
    }

    static let root = Command(
        "milvus-backup",
        summary: "Backs up and restores Milvus collections, with as many agents as there are hosts to copy.",
        discussion: """
            Backs up Milvus collections from Milvus' object store into another one, and restores them. The copying is \
            done by this process, or by milvus-backup-agent processes on other hosts.

            Start with "milvus-backup check": it connects to everything that the configuration names.
            """,
        options: [
            Option(
                "config", placeholder: "FILE",
                help: "The configuration; looked for here, in $MILVUSCONF and in ./configs.",
                defaultValue: "backup.yaml"),
            Option(
                "set", kind: .assignments, placeholder: "KEY=VALUE",
                help: "Overrides a value of the configuration, as in --set backup.storage.rootPath=nightly."),
            .flag("json", help: "Print the result as one JSON document, also an error."),
        ],
        examples: [
            Command.Example("milvus-backup create -n nightly", "back everything up"),
            Command.Example(
                "milvus-backup restore -n nightly --suffix _bak --rebuild_index", "restore beside what is there"),
        ],
        subcommands: [create, restore, list, get, delete, check, config, completion, version])

    private static let name = Option("name", short: "n", placeholder: "NAME", help: "The backup's name.")

    private static let workers = [
        Option.flag("dry-run", help: "Say what would be copied, and change nothing."),
        Option(
            "listen", placeholder: "HOST:PORT",
            help: "Let agents dial in here and do the copying. Any address but a loopback one needs a token. "
                + "Configuration: coordinator.listen."),
        Option(
            "min-agents", placeholder: "N", help: "Wait for this many agents before the work begins.", defaultValue: "0"
        ),
    ]

    private static let create = Command(
        "create",
        summary: "Make a backup.",
        discussion: """
            Records databases, collections, partitions and indexes, flushes the collections, copies their data into the \
            backup store, compares what has arrived with what was to be copied, and writes the metadata last: a backup is \
            there as a whole or not at all.
            """,
        options: [
            Option(
                "name", short: "n", placeholder: "NAME",
                help: "The backup's name: letters, digits and underscores. Default: backup_ and the time."),
            Option(
                "filter", placeholder: "LIST",
                help:
                    "What to back up: db.* (all of a database), db.coll, coll, db. (the database alone); separated by "
                    + "commas. Default: everything."),
            Option(
                "colls", short: "c", aliases: ["collections"], placeholder: "LIST",
                help: "Collections: coll or db.coll, separated by commas."),
            Option(
                "databases", short: "d", placeholder: "LIST", help: "Databases, each as a whole, separated by commas."),
            Option(
                "database_collections", short: "a", placeholder: "JSON",
                help:
                    "Databases and collections, as in {\"db1\":[\"c1\"],\"db2\":[]}; an empty list is the whole database."
            ),
            .flag("force", short: "f", help: "Do not flush: back up what is in Milvus' store already."),
            .flag("meta_only", help: "Back up databases, schemas, partitions and indexes, and no data."),
            Option(
                "strategy", placeholder: "NAME",
                help: "auto, meta_only, skip_flush, bulk_flush or serial_flush.", defaultValue: "auto"),
        ] + workers,
        examples: [
            Command.Example("milvus-backup create -n nightly --filter 'shop.*,users'", "a database and a collection"),
            Command.Example(
                "milvus-backup create -n nightly --listen 10.0.0.1:9200 --min-agents 4", "let four agents copy"),
        ])

    private static let restore = Command(
        "restore",
        summary: "Restore a backup.",
        discussion: """
            Makes the collections of a backup anew, in this or another Milvus, and imports their data. Before anything is \
            changed the backup is looked through: every object must be there with its size, and no collection may be in \
            the way. Restored collections are not loaded.
            """,
        options: [
            name,
            Option(
                "filter", placeholder: "LIST",
                help: "What to restore, by the names after renaming: db.*, db.coll, coll, separated by commas."),
            Option(
                "collections", short: "c", aliases: ["colls"], placeholder: "LIST",
                help: "Collections of the backup: coll or db.coll."),
            Option("databases", short: "d", placeholder: "LIST", help: "Databases of the backup."),
            Option(
                "database_collections", short: "a", placeholder: "JSON",
                help: "Databases and collections of the backup, as in {\"db1\":[\"c1\"]}."),
            Option("suffix", short: "s", placeholder: "TEXT", help: "Is put behind the name of every collection."),
            Option(
                "rename", short: "r", placeholder: "LIST",
                help: "New names, as in a:b,db1.c:db2.d,db3.*:db4.*, separated by commas."),
            .flag("rebuild_index", aliases: ["restore_index"], help: "Make the recorded indexes."),
            .flag("use_auto_index", help: "With --rebuild_index: make vector indexes as AUTOINDEX."),
            .flag("drop_exist_collection", help: "Drop collections that are in the way."),
            .flag("drop_exist_index", help: "Drop the indexes that are there before."),
            .flag("skip_create_collection", help: "Import into collections that are there already."),
            .flag("meta_only", help: "Make collections, partitions and indexes, and import no data."),
            .flag("skip-aliases", help: "Do not make the recorded aliases."),
            .flag("load", help: "Load the collections that were loaded when they were backed up."),
        ] + workers,
        examples: [
            Command.Example("milvus-backup restore -n nightly --suffix _bak", "beside the originals"),
            Command.Example(
                "milvus-backup restore -n nightly -r 'shop.*:shop2.*' --rebuild_index", "a database under another name"),
        ])

    private static let list = Command("list", summary: "List the backups.")

    private static let get = Command(
        "get", summary: "Show a backup: its collections, indexes and size, as JSON.", options: [name])

    private static let delete = Command(
        "delete",
        summary: "Delete a backup.",
        discussion: "Deletes a backup with all its data, also one that was not finished.",
        options: [name])

    private static let check = Command(
        "check",
        summary: "Connect to Milvus and to both object stores.",
        discussion: """
            Shows the configuration as it is understood, connects to Milvus and to both object stores, and writes and \
            removes a small object in the backup store.
            """,
        arguments: [
            Argument("WHAT", help: "config or backup_yaml: show the configuration alone.", isOptional: true)
        ])

    private static let config = Command(
        "config", summary: "Show or translate the configuration.",
        subcommands: [
            Command("show", summary: "Show every value of the configuration and where it comes from."),
            Command(
                "migrate",
                summary: "Translate a configuration of the old format (v1) into the new one (v2).",
                options: [
                    Option(
                        "output", short: "o", placeholder: "FILE",
                        help: "Where to write it, readable by its owner only.",
                        defaultValue: "- (standard output)"),
                    .flag("force", help: "Replace the file if it is there."),
                    .flag("strict", help: "Fail when there is something to be looked at."),
                ]),
        ])

    private static let completion = Command(
        "completion",
        summary: "Print a script that lets a shell complete commands and options.",
        arguments: [Argument("SHELL", help: "bash, zsh or fish.")],
        examples: [
            Command.Example("source <(milvus-backup completion bash)", "complete in this shell")
        ])

    private static let version = Command("version", summary: "Show the version.")
}
