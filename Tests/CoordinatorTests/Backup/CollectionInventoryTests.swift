import BackupFormat
import MilvusClient
import Testing

@testable import Coordinator

/// Which logs every segment must have: what a listing does not show of them is missing.
@Suite struct CollectionInventoryTests {
    private let before: ServerFeatures = [.importJobs]
    private let since: ServerFeatures = [.importJobs, .addCollectionField]

    private func schema(_ change: (inout CollectionSchema) -> Void = { _ in }) -> CollectionSchema {
        var schema = CollectionSchema()
        schema.fields = (Int64(100)...102).map { id in
            var field = FieldSchema()
            field.fieldID = id
            return field
        }
        change(&schema)
        return schema
    }

    @Test func theSystemsFieldsAndThoseOfTheCreation() {
        #expect(schema().fieldsOfEverySegment(before) == [0, 1, 100, 101, 102])
        #expect(schema().fieldsOfEverySegment(since) == [0, 1, 100, 101, 102])
    }

    @Test func theDynamicFieldWhereItCannotHaveBeenAdded() {
        let dynamic = schema { $0.enableDynamicField = true }
        #expect(dynamic.fieldsOfEverySegment(before) == [0, 1, 100, 101, 102, 103])
        #expect(dynamic.fieldsOfEverySegment(since) == [0, 1, 100, 101, 102])
        let told = schema {
            $0.enableDynamicField = true
            $0.fields[2].isDynamic = true
        }
        #expect(told.fieldsOfEverySegment(before) == [0, 1, 100, 101, 102])
        #expect(told.fieldsOfEverySegment(since) == [0, 1, 100, 101])
    }

    @Test func notWhatMayHaveBeenAdded() {
        let added = schema {
            $0.fields[1].isNullable = true
            $0.fields[2].defaultValueBase64 = "CAE="
        }
        #expect(added.fieldsOfEverySegment(before) == [0, 1, 100, 101, 102])
        #expect(added.fieldsOfEverySegment(since) == [0, 1, 100])
    }

    @Test func notWhatAFunctionMakes() {
        let made = schema { $0.fields[2].isFunctionOutput = true }
        #expect(made.fieldsOfEverySegment(before) == [0, 1, 100, 101])
    }
}
