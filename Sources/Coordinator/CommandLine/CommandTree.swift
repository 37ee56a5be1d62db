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
        case ["verify"]: VerifyCommand()
        case ["l0compact"]: L0CompactCommand()
        case ["migrate"]: MigrateCommand()
        case ["check"]: CheckCommand()
        case ["server"]: ServerCommand()
        case ["config", "show"]: ConfigShowCommand()
        case ["config", "migrate"]: ConfigMigrateCommand()
        case ["certs"]: CertsCommand()
        case ["completion"]: CompletionCommand()
        case ["version"]: VersionCommand()
        default: nil
        }
    }

    static let root = Command(
        "milvus-backup",
        summary: "Backs up and restores Milvus collections; agents on other hosts can share the copying.",
        discussion: """
            Copies the data of Milvus collections from Milvus' object store into a backup store, and brings them back \
            into the same or another Milvus. This process copies by itself, or hands the copying out to \
            milvus-backup-agent processes on other hosts (--listen).

            Start with "milvus-backup check": it connects to Milvus and to the two object stores that the \
            configuration names.

            Results go to standard output, log lines to standard error. The exit status is 0 when all went well, 1 when \
            it did not, 2 for a wrong call or configuration, 3 for a damaged backup (verify), 130 after an interruption.
            """,
        options: [
            Option(
                "config", placeholder: "FILE",
                help: "The configuration file; looked for at this path, then in $MILVUSCONF, then in ./configs.",
                defaultValue: "backup.yaml"),
            Option(
                "set", kind: .assignments, placeholder: "KEY=VALUE",
                help: "Overrides a value of the configuration file, as in --set backup.storage.rootPath=nightly."),
            .flag("json", help: "Print the result as one JSON document, also an error."),
        ],
        examples: [
            Command.Example("milvus-backup create -n nightly", "back everything up"),
            Command.Example(
                "milvus-backup restore -n nightly --suffix _bak --rebuild_index", "restore beside what is there"),
        ],
        subcommands: [
            create, restore, list, get, delete, verify, check, server, config, certs, l0compact, migrate, completion,
            version,
        ])

    private static let name = Option("name", short: "n", placeholder: "NAME", help: "The backup's name.")

    private static let remote = Option(
        "server", placeholder: "URL",
        help: "Let a running server do it, as in http://10.0.0.1:8080. Environment: MILVUS_BACKUP_SERVER, and "
            + "MILVUS_BACKUP_API_TOKEN for its token.")

    private static let dryRun = Option.flag("dry-run", help: "Say what would be copied, and change nothing.")

    private static let workers = [
        Option(
            "listen", placeholder: "HOST:PORT",
            help: "Let agents connect to this address and do all the copying. Any address but a loopback one needs a "
                + "token (coordinator.token or MILVUS_BACKUP_TOKEN). Configuration: coordinator.listen."),
        Option(
            "min-agents", placeholder: "N",
            help: "With --listen: wait for this many agents before the work begins; more may join at any time.",
            defaultValue: "0"),
        Option(
            "bandwidth", placeholder: "RATE",
            help: "The most that all the copying may move in a second, over all agents, as in 100MiB. Copies that the "
                + "store makes by itself do not count. Configuration: transfer.bandwidth, read again on SIGUSR1."),
        .flag("verbose", short: "v", help: "Show the rate of every agent in the live line, too."),
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
                help: "The new backup's name: letters, digits and underscores. Default: backup_ and the time."),
            Option(
                "filter", placeholder: "LIST",
                help:
                    "What to back up: db.* (a whole database), db.coll, coll (in default), db. (the database without "
                    + "collections); separated by commas. Goes before -a, that before -c, that before -d. Default: "
                    + "everything."),
            Option(
                "colls", short: "c", aliases: ["collections"], placeholder: "LIST",
                help: "Collections to back up: coll or db.coll, separated by commas."),
            Option(
                "databases", short: "d", placeholder: "LIST",
                help: "Databases to back up, each as a whole, separated by commas."),
            Option(
                "database_collections", short: "a", placeholder: "JSON",
                help:
                    "Databases and collections, as in {\"db1\":[\"c1\"],\"db2\":[]}; an empty list is the whole database."
            ),
            .flag(
                "resume",
                help: "Go on with a backup that was interrupted or has failed: what is copied is not copied again."),
            Option(
                "verify", placeholder: "HOW",
                help:
                    "Compare the copies once more before the backup counts as complete: quick (sizes and ETags of a "
                    + "listing) or deep (read all of it back). Without it keys and sizes are compared."),
            .flag(
                "skip-missing",
                help: "Leave out collections that are dropped while the backup is made. Without it that is an error."),
            .flag(
                "force", short: "f",
                help: "Do not flush: back up what is in Milvus' store already. Rows inserted last may be missing."),
            .flag("meta_only", help: "Back up databases, schemas, partitions and indexes, and no data."),
            Option(
                "strategy", placeholder: "NAME",
                help:
                    "How rows in memory get to the store before the copying: serial_flush (collection by collection), "
                    + "bulk_flush (all of Milvus at once), auto (bulk_flush where Milvus offers it, else "
                    + "serial_flush); or skip_flush (as --force), meta_only (as --meta_only).",
                defaultValue: "auto"),
            Option(
                "format", placeholder: "NAME",
                help: "How the data is kept: binlog, or auto, which is binlog as well.", defaultValue: "auto"),
            .flag(
                "rbac", help: "Record users, roles, grants and privilege groups too. Needs Milvus 2.4.10 or later."),
            .flag(
                "backup_index_extra",
                help: "Record what only Milvus' etcd (milvus.etcd) knows of indexes and dynamic fields. A restore by "
                    + "this program does not need it."),
        ] + [dryRun] + workers + [remote],
        examples: [
            Command.Example("milvus-backup create -n nightly --filter 'shop.*,users'", "a database and a collection"),
            Command.Example(
                "milvus-backup create -n nightly --listen 10.0.0.1:9200 --min-agents 4", "let four agents copy"),
        ])

    private static let restore = Command(
        "restore",
        summary: "Restore a backup.",
        discussion: """
            Creates the collections of a backup anew, in the same or another Milvus, and imports their data. Before \
            anything is changed the backup is compared with its manifest: every object must be there, and no \
            collection of the same name may be there. Restored collections are not loaded, and have indexes only with \
            --rebuild_index.
            """,
        options: [
            name,
            Option(
                "filter", placeholder: "LIST",
                help:
                    "What to restore, by the names after --suffix or --rename: db.*, db.coll, coll, separated by commas."
            ),
            Option(
                "collections", short: "c", aliases: ["colls"], placeholder: "LIST",
                help: "Collections of the backup: coll or db.coll, separated by commas."),
            Option("databases", short: "d", placeholder: "LIST", help: "Databases of the backup, separated by commas."),
            Option(
                "database_collections", short: "a", placeholder: "JSON",
                help:
                    "Databases and collections of the backup, as in {\"db1\":[\"c1\"]}. Goes before -c, that before -d."
            ),
            Option("suffix", short: "s", placeholder: "TEXT", help: "Is appended to the name of every collection."),
            Option(
                "rename", short: "r", placeholder: "LIST",
                help: "New names as OLD:NEW, as in a:b,db1.c:db2.d,db3.*:db4.*. Not together with --suffix."),
            .flag("rebuild_index", aliases: ["restore_index"], help: "Create the recorded indexes."),
            .flag("use_auto_index", help: "With --rebuild_index: create vector indexes as AUTOINDEX."),
            .flag(
                "drop_exist_collection",
                help: "Drop collections that have the name of a restored one first. Their data is lost."),
            .flag("drop_exist_index", help: "Drop the indexes of collections that are there already."),
            .flag("skip_create_collection", help: "Import into collections that are there already."),
            .flag("meta_only", help: "Create collections and partitions (and indexes, if asked), and import no data."),
            Option(
                "resume", placeholder: "ID",
                help: "Go on with a restore whose process was killed: its id is in the log of its beginning. With the "
                    + "options it was begun with."),
            .flag("skip-verify", help: "Restore what is there of a damaged backup."),
            .flag("skip-aliases", help: "Do not make the recorded aliases."),
            .flag("load", help: "Load the collections that were loaded when they were backed up."),
            .flag(
                "rbac",
                help: "First make the recorded users, roles, grants and privilege groups that are not there. Needs "
                    + "Milvus 2.4.10 or later."),
            .flag(
                "use_v2_restore",
                help: "Let Milvus import many segments in one job, over REST. Milvus before 2.4 imports one by one."),
            Option("source_cluster_id", placeholder: "ID", help: "Of restore secondary.", isHidden: true),
            Option("target_cluster_id", placeholder: "ID", help: "Of restore secondary.", isHidden: true),
        ] + [dryRun] + workers + [remote],
        arguments: [
            Argument("secondary", help: "Restore into a replica of the cluster. Not supported yet.", isOptional: true)
        ],
        examples: [
            Command.Example("milvus-backup restore -n nightly --suffix _bak", "beside the originals"),
            Command.Example(
                "milvus-backup restore -n nightly -r 'shop.*:shop2.*' --rebuild_index", "a database under another name"),
        ])

    private static let list = Command(
        "list",
        summary: "List the backups.",
        discussion: """
            Lists the names of all finished backups. A warning names each directory below the backup root that is no \
            finished backup, such as one that is still being made or was interrupted; --all tells what is known of them.
            """,
        options: [
            Option(
                "collection", short: "c", placeholder: "NAME",
                help: "Only backups that have this collection: coll in any database, or db.coll."),
            .flag("all", help: "Also the backups that are not finished: their state, who made them, and when."), remote,
        ])

    private static let get = Command(
        "get", summary: "Show a backup: its collections, indexes and size, as JSON.",
        options: [
            name, .flag("detail", short: "d", help: "All that is recorded, with partitions, segments and their logs."),
            remote,
        ])

    private static let delete = Command(
        "delete",
        summary: "Delete a backup.",
        discussion: "Deletes a backup with all its data, also one that was not finished. It does not ask.",
        options: [name, remote])

    private static let verify = Command(
        "verify",
        summary: "Compare a stored backup with its manifest.",
        discussion: """
            Looks whether everything a backup should have is there and as it was written, and whether its metadata files \
            can be read and agree. By itself that is a listing: sizes and ETags. With --deep all bytes are read, by this \
            process or by agents (--listen), and compared with the recorded checksums, or with the MD5 that the ETags stand \
            for. Milvus is not asked.

            Names what is missing, what has changed, and logs that do not belong to the backup. The exit status is 0 for a \
            sound backup, 3 for a damaged one, and 1 when it could not be looked at.
            """,
        options: [
            name,
            .flag("deep", help: "Read all bytes, and not the listing alone."),
            .flag(
                "write-manifest",
                help: "Give a sound backup that has no manifest, or an unreadable one, a new one; with --deep with the "
                    + "checksums of what was read. Backups of the original tool have none."),
        ] + workers + [remote],
        examples: [
            Command.Example("milvus-backup verify -n nightly", "is everything there"),
            Command.Example(
                "milvus-backup verify -n nightly --deep --listen 10.0.0.1:9200 --min-agents 4", "let four agents read"),
        ])

    private static let check = Command(
        "check",
        summary: "Try everything that backups and restores need.",
        discussion: """
            Shows the configuration as it is understood, with secrets masked, and a line for each check: Milvus and the \
            rights there, its management port, reading and writing in both object stores, their clocks, and the ports of \
            the server and of agents. Creates the backup bucket if it is not there, writes and removes small objects, and \
            says so when there is nothing below Milvus' root path.
            """,
        arguments: [
            Argument("WHAT", help: "config or backup_yaml: show the configuration alone.", isOptional: true)
        ])

    private static let server = Command(
        "server",
        summary: "Serve the REST interface.",
        discussion: """
            Makes, restores, lists and deletes backups at the request of HTTP clients, several at a time, until it is \
            stopped. Agents may join at coordinator.listen at any time; without that address this process copies.

            It listens on 127.0.0.1 as long as there is no token (server.token, MILVUS_BACKUP_API_TOKEN) and no other \
            address is asked for (server.listen, MILVUS_BACKUP_LISTEN).
            """,
        options: [
            Option(
                "port", short: "p", placeholder: "PORT", help: "The port. Environment: SERVER_PORT.",
                defaultValue: "8080")
        ],
        examples: [
            Command.Example("milvus-backup server -p 8080", "serve on this machine")
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

    private static let certs = Command(
        "certs",
        summary: "Make certificates for TLS between coordinator and agents.",
        discussion: """
            Makes an authority for a cluster, and with it a certificate for the coordinator and one for each agent, each \
            with its key; and prints the lines of configuration that use them. Where there is an authority already \
            (ca.crt, ca.key), it signs: so one more agent joins. Nothing that is there is replaced; keys are readable by \
            their owner alone.
            """,
        options: [
            Option("out", short: "o", placeholder: "DIR", help: "Where to put them; made if it is not there."),
            Option(
                "hosts", placeholder: "LIST",
                help: "The names and addresses by which agents reach the coordinator, separated by commas."),
            Option(
                "agents", placeholder: "LIST",
                help: "The agents' names (agent.name), separated by commas."),
            Option(
                "days", placeholder: "N", help: "How long the certificates hold; the authority holds for ten years.",
                defaultValue: "825"),
        ],
        examples: [
            Command.Example(
                "milvus-backup certs --out certs --hosts 10.0.0.1 --agents n1,n2",
                "for a coordinator and two agents"),
            Command.Example("milvus-backup certs --out certs --agents n3", "one more agent"),
        ])

    private static let l0compact = Command(
        "l0compact",
        summary: "Copy a backup so that it has no segments of deletions (L0).",
        discussion: """
            Copies a backup inside the backup store. One that has segments of deletions is refused as yet: folding them \
            into the rows is not here. The new backup is compared with the old one before it becomes a backup.
            """,
        options: [
            name,
            Option(
                "output", short: "o", placeholder: "NAME",
                help: "The new backup's name. Default: NAME_l0compacted."),
            .flag("force", help: "Delete a backup of the new name first."),
        ])

    /// Of the original, and not here: it is known so that it can be said.
    private static let migrate = Command(
        "migrate", summary: "Upload a backup to Zilliz Cloud. Not supported.",
        options: [
            name, Option("cluster_id", short: "c", placeholder: "ID", help: "Of the target."),
        ], isHidden: true)

    private static let completion = Command(
        "completion",
        summary: "Print a script that lets a shell complete commands and options.",
        arguments: [Argument("SHELL", help: "bash, zsh or fish.")],
        examples: [
            Command.Example(
                "milvus-backup completion bash", "the script; put it where your shell looks for completions")
        ])

    private static let version = Command("version", summary: "Show the version.")
}
