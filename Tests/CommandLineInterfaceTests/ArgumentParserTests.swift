import CommandLineInterface
import Support
import Testing

@Suite("Command line")
struct ArgumentParserTests {
    @Test(
        arguments: [
            ["create", "--name", "a"], ["create", "--name=a"], ["create", "-n", "a"], ["create", "-na"],
            ["create", "-n=a"], ["new", "-n", "a"], ["--config", "x", "create", "-n", "a"], ["create", "-fn", "a"],
            ["create", "-fna"],
        ])
    func spellingsOfAnOption(words: [String]) throws {
        guard case .run(let invocation) = try program.parse(words) else {
            Issue.record("help")
            return
        }
        #expect(invocation.path == ["create"])
        #expect(invocation.text("name") == "a")
    }

    @Test(
        arguments: [
            ([], false), (["--rbac"], true), (["--rbac=true"], true), (["--rbac=1"], true), (["--rbac=false"], false),
            (["--rbac=F"], false),
        ])
    func flags(words: [String], expected: Bool) throws {
        guard case .run(let invocation) = try program.parse(["create"] + words) else {
            Issue.record("help")
            return
        }
        #expect(invocation.flag("rbac") == expected)
        #expect(invocation.has("rbac") == !words.isEmpty)
    }

    @Test func aFlagTakesNoWordBehindIt() throws {
        let invocation = try invocation("create", "--rbac", "-n", "false")
        #expect(invocation.flag("rbac") && invocation.text("name") == "false")
    }

    @Test func hyphensAndUnderscoresAreTheSame() throws {
        #expect(try invocation("create", "--backup-index-extra").flag("backup_index_extra"))
        #expect(try invocation("create", "--backup_index_extra").flag("backup_index_extra"))
        #expect(try invocation("create", "--index_extra").flag("backup_index_extra"))
    }

    @Test func optionsOfTheProgramStandAnywhere() throws {
        let invocation = try invocation("--set", "a=1", "config", "--config=c", "show", "--set=b=2")
        #expect(invocation.path == ["config", "show"])
        #expect(invocation.text("config") == "c")
        #expect(invocation.texts("set") == ["a=1", "b=2"])
    }

    @Test func repeatedValues() throws {
        #expect(try invocation("create", "-t", "a,b", "--tag=c", "-td").texts("tag") == ["a,b", "c", "d"])
        #expect(try invocation("create").texts("tag") == [])
    }

    @Test(
        arguments: [
            ("a=1", ["a=1"]), ("a=1,b=2", ["a=1", "b=2"]), ("a=1,2,b=3", ["a=1,2", "b=3"]), ("a=x=y", ["a=x=y"]),
            ("a=,b=", ["a=", "b="]), ("a=1,", ["a=1,"]), ("a", ["a"]), ("a,b=1", ["a", "b=1"]), ("", [""]),
        ])
    func assignments(text: String, pieces: [String]) throws {
        #expect(splitAssignments(text) == pieces)
        #expect(try invocation("--set", text, "create").texts("set") == pieces)
    }

    @Test func arguments() throws {
        #expect(try invocation("get", "a").arguments == ["a"])
        #expect(try invocation("get", "--", "--name").arguments == ["--name"])
        #expect(try invocation("get", "-").arguments == ["-"])
    }

    @Test func valuesMayBeEmptyOrBeginWithAHyphen() throws {
        #expect(try invocation("create", "--name", "").text("name") == "")
        #expect(try invocation("create", "--name=").text("name") == "")
        #expect(try invocation("create", "--name", "-x").text("name") == "-x")
        #expect(try invocation("create", "--name=--rbac").text("name") == "--rbac")
    }

    @Test func numbers() throws {
        #expect(try invocation("serve").integer("port", in: 0...65535) == nil)
        #expect(try invocation("serve", "-p", "80").integer("port", in: 0...65535) == 80)
        for text in ["x", "70000", ""] {
            let invocation = try invocation("serve", "-p", text)
            #expect { try invocation.integer("port", in: 0...65535) } throws: { ($0 as? BackupError)?.code == .usage }
        }
    }

    @Test func deprecatedOptionsWorkWithAWarning() throws {
        let invocation = try invocation("create", "-d", "db")
        #expect(invocation.text("databases") == "db")
        #expect(invocation.warnings == ["-d is deprecated: use --filter"])
    }

    @Test(
        arguments: [
            (["creat"], "tool has no command \"creat\"; did you mean \"create\"?; see \"tool --help\""),
            (["xyz"], "tool has no command \"xyz\"; see \"tool --help\""),
            ([], "no command given: create, get, config, serve; see \"tool --help\""),
            (["config"], "tool config needs one of its commands: show; see \"tool config --help\""),
            (
                ["create", "--nam", "x"],
                "tool create has no option --nam; did you mean --name?; see \"tool create --help\""
            ),
            (
                ["create", "--rbca=true"],
                "tool create has no option --rbca; did you mean --rbac?; see \"tool create --help\""
            ),
            (["create", "-z"], "tool create has no option -z; see \"tool create --help\""),
            (["create", "-fz"], "tool create has no option -z; see \"tool create --help\""),
            (["create", "--name"], "--name needs a value: --name NAME; see \"tool create --help\""),
            (["create", "-n"], "-n needs a value: -n NAME; see \"tool create --help\""),
            (["create", "--name", "--rbac"], "--name needs a value before --rbac; see \"tool create --help\""),
            (["create", "--name", "--help"], "--name needs a value before --help; see \"tool create --help\""),
            (["create", "-n", "a", "--name=b"], "--name can be given only once; see \"tool create --help\""),
            (["create", "--rbac", "--rbac"], "--rbac can be given only once; see \"tool create --help\""),
            (["create", "--rbac=maybe"], "--rbac is a flag; it can be true or false; see \"tool create --help\""),
            (["create", "x"], "tool create does not take \"x\"; options begin with --; see \"tool create --help\""),
            (["create", "-c", "x"], "--colls was removed, use --filter; see \"tool create --help\""),
            (["get"], "NAME is missing; see \"tool get --help\""),
            (["get", "a", "b"], "tool get does not take \"b\"; options begin with --; see \"tool get --help\""),
            (["-n", "x", "create"], "-n must stand behind the name of the command; see \"tool --help\""),
        ])
    func mistakes(words: [String], message: String) {
        #expect {
            try program.parse(words)
        } throws: { error in
            let error = error as? BackupError
            return error?.code == .usage && error?.description == message
        }
    }

    @Test(
        arguments: [
            (BackupError.Code.usage, Int32(2)), (.configuration, 1), (.canceled, 130), (.notFound, 1),
            (.internalError, 1), (.invalidArgument, 1),
        ])
    func exitCodes(code: BackupError.Code, expected: Int32) {
        #expect(ExitCode(BackupError(code, "")).rawValue == expected)
    }
}
