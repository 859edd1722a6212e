"""Which attributes the index keeps, by level of the query model (PS3.4 C.3.4, C.6; CAPABILITIES 1.2.2 to 1.2.4)."""

from typing import Final

CHARACTER_SET: Final = 0x00080005
TIMEZONE: Final = 0x00080201

SOP_CLASS: Final = 0x00080016
SOP_UID: Final = 0x00080018
STUDY_UID: Final = 0x0020000D
SERIES_UID: Final = 0x0020000E
MODALITY: Final = 0x00080060
PATIENT_ID: Final = 0x00100020
PATIENT_NAME: Final = 0x00100010

# Patient module: who. Kept with the patient.
PATIENT_TAGS: Final = frozenset(
    {
        0x00100010,  # PatientName
        0x00100020,  # PatientID
        0x00100021,  # IssuerOfPatientID
        0x00100022,  # TypeOfPatientID
        0x00100024,  # IssuerOfPatientIDQualifiersSequence
        0x00100030,  # PatientBirthDate
        0x00100032,  # PatientBirthTime
        0x00100040,  # PatientSex
        0x00101000,  # OtherPatientIDs
        0x00101001,  # OtherPatientNames
        0x00101002,  # OtherPatientIDsSequence
        0x00101005,  # PatientBirthName
        0x00101060,  # PatientMotherBirthName
        0x00102160,  # EthnicGroup
        0x00102201,  # PatientSpeciesDescription
        0x00102203,  # PatientSexNeutered
        0x00102292,  # PatientBreedDescription
        0x00102297,  # ResponsiblePerson
        0x00102299,  # ResponsibleOrganization
        0x00104000,  # PatientComments
        0x00120062,  # PatientIdentityRemoved
    }
)

# General Study and Patient Study modules: what was true of the patient at the time of the study.
STUDY_TAGS: Final = frozenset(
    {
        0x0020000D,  # StudyInstanceUID
        0x00080020,  # StudyDate
        0x00080030,  # StudyTime
        0x00080050,  # AccessionNumber
        0x00080051,  # IssuerOfAccessionNumberSequence
        0x00080090,  # ReferringPhysicianName
        0x00080096,  # ReferringPhysicianIdentificationSequence
        0x0008009C,  # ConsultingPhysicianName
        0x00081030,  # StudyDescription
        0x00081032,  # ProcedureCodeSequence
        0x00081048,  # PhysiciansOfRecord
        0x00081060,  # NameOfPhysiciansReadingStudy
        0x00081080,  # AdmittingDiagnosesDescription
        0x00081084,  # AdmittingDiagnosesCodeSequence
        0x00081110,  # ReferencedStudySequence
        0x00101010,  # PatientAge
        0x00101020,  # PatientSize
        0x00101030,  # PatientWeight
        0x00101090,  # MedicalRecordLocator
        0x00102000,  # MedicalAlerts
        0x00102110,  # Allergies
        0x00102180,  # Occupation
        0x001021A0,  # SmokingStatus
        0x001021B0,  # AdditionalPatientHistory
        0x001021C0,  # PregnancyStatus
        0x001021D0,  # LastMenstrualDate
        0x00120010,  # ClinicalTrialSponsorName
        0x00120020,  # ClinicalTrialProtocolID
        0x00120040,  # ClinicalTrialSubjectID
        0x00200010,  # StudyID
        0x00321032,  # RequestingPhysician
        0x00321033,  # RequestingService
        0x00321060,  # RequestedProcedureDescription
        0x00380010,  # AdmissionID
        0x00380014,  # IssuerOfAdmissionIDSequence
        0x00380060,  # ServiceEpisodeID
        0x00380064,  # IssuerOfServiceEpisodeIDSequence
        0x00401012,  # ReasonForPerformedProcedureCodeSequence
    }
)

# General Series and General Equipment modules.
SERIES_TAGS: Final = frozenset(
    {
        0x0020000E,  # SeriesInstanceUID
        0x00080021,  # SeriesDate
        0x00080031,  # SeriesTime
        0x00080060,  # Modality
        0x00080064,  # ConversionType
        0x00080070,  # Manufacturer
        0x00080080,  # InstitutionName
        0x00080081,  # InstitutionAddress
        0x00080082,  # InstitutionCodeSequence
        0x00081010,  # StationName
        0x0008103E,  # SeriesDescription
        0x0008103F,  # SeriesDescriptionCodeSequence
        0x00081040,  # InstitutionalDepartmentName
        0x00081050,  # PerformingPhysicianName
        0x00081070,  # OperatorsName
        0x00081090,  # ManufacturerModelName
        0x00081111,  # ReferencedPerformedProcedureStepSequence
        0x00081250,  # RelatedSeriesSequence
        0x00180010,  # ContrastBolusAgent
        0x00180015,  # BodyPartExamined
        0x00181000,  # DeviceSerialNumber
        0x00181020,  # SoftwareVersions
        0x00181030,  # ProtocolName
        0x00185100,  # PatientPosition
        0x00200011,  # SeriesNumber
        0x00200052,  # FrameOfReferenceUID
        0x00200060,  # Laterality
        0x00400244,  # PerformedProcedureStepStartDate
        0x00400245,  # PerformedProcedureStepStartTime
        0x00400250,  # PerformedProcedureStepEndDate
        0x00400251,  # PerformedProcedureStepEndTime
        0x00400253,  # PerformedProcedureStepID
        0x00400254,  # PerformedProcedureStepDescription
        0x00400260,  # PerformedProtocolCodeSequence
        0x00400275,  # RequestAttributesSequence
    }
)

# What has a column of its own in the instance table.
IMAGE_COLUMN_TAGS: Final = frozenset(
    {
        SOP_CLASS,
        SOP_UID,
        0x00080023,  # ContentDate
        0x00080033,  # ContentTime
        0x00200013,  # InstanceNumber
        0x00280008,  # NumberOfFrames
        0x00280010,  # Rows
        0x00280011,  # Columns
        0x00280100,  # BitsAllocated
    }
)

# What is kept as DICOM JSON with the instance, where an object has it: documents, presentation states, remarks. A plain
# image has none of these, and its row stays small; its other attributes are in the series document.
IMAGE_TAGS: Final = frozenset(
    {
        0x00204000,  # ImageComments
        0x0040A043,  # ConceptNameCodeSequence
        0x0040A073,  # VerifyingObserverSequence
        0x0040A370,  # ReferencedRequestSequence
        0x0040A491,  # CompletionFlag
        0x0040A492,  # CompletionFlagDescription
        0x0040A493,  # VerificationFlag
        0x0040A496,  # PreliminaryFlag
        0x00420010,  # DocumentTitle
        0x00420012,  # MIMETypeOfEncapsulatedDocument
        0x00700080,  # ContentLabel
        0x00700081,  # ContentDescription
        0x00700082,  # PresentationCreationDate
        0x00700083,  # PresentationCreationTime
        0x00700084,  # ContentCreatorName
    }
)

# What two objects of one series have in common: equal bytes of these need no second decoding.
COMMON_TAGS: Final = PATIENT_TAGS | STUDY_TAGS | SERIES_TAGS | {CHARACTER_SET, TIMEZONE}
INDEX_TAGS: Final = COMMON_TAGS | IMAGE_COLUMN_TAGS | IMAGE_TAGS
