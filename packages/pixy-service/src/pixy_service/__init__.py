"""PixyProxy's service layer: public and private images, users, generation.

Applications import from here. It needs no web framework and knows no HTTP.

- Start: `open_services` opens `Services`. `prepare_stores` and `upgrade_database` create folders
  and tables without opening anything; `locate_database` returns the `DatabaseLocation` of a URL,
  and `is_bucket_url` knows the `BUCKET_FORMS`.
- Generators: `SketchGenerator`, `OpenAIGenerator`, or a class of your own that implements
  `ImageGenerator`: it gets an `ImageOrder`, perhaps with a `SourceFile` or more, and returns a
  `GeneratedImage`. `check_models` refuses models that the provider has shut down; `ModelInfo` is
  a model with the date of its shutdown. `OpenAIGenerator` tells an `ObserveCall` of each
  `ProviderCall`. Their constants: `DEFAULT_OPENAI_MODEL`, `DEFAULT_OPENAI_BASE_URL`,
  `CLIENT_VARIABLES`, `MAX_PARTIALS`.
- Images: `PublicImageService`, `PrivateImageService`, both an `ImageServiceInterface`. They return
  `ImagePage`, `ImageFile`, `ContentFile`, `PartialImage`; of creations `Submission`, `Created`,
  `CreationPage`; of uploads `SpooledFile`, which takes their blocks, and `Uploaded`. An API client
  whose retries must not buy again passes an `Attempt`. A `GenerationObserver` gets each
  `MadeImage` and each failure; `NO_OBSERVER` ignores them.
- Users: `UserService`, a `UserServiceInterface`; `CredentialService` checks `Credentials` and
  limits wrong ones by a `SignInRule`. `open_users` opens users alone.
- API keys: `KeyService` makes each `IssuedKey`, and recognises `KeyCredentials`. `open_keys` opens
  keys alone.
- Rules of arguments: `Limits`, `MAX_PAGE_SIZE`, `MAX_UPLOAD_SIZE`, `MAX_PIXELS`,
  `THUMBNAIL_WIDTHS`, `THUMBNAIL_TYPES`, `IDEMPOTENCY_KEY_PATTERN`, `validate_guid`.
- Maintenance: `open_checker`, `open_copy`, `open_backup` and `open_restore` open `StoreChecker`,
  `StoreCopy`, `StoreBackup` and `StoreRestore`. `open_export` and `open_import` open `StoreExport`,
  which archives a `Selection`, and `ArchiveImport`; `ArchiveCheck` reads an archive and needs no
  database. They report each `Finding` with its `FindingKind`.
  `RepairRefusedError` means that files are there and all rows are lost, `CopyUnfinishedError` that
  images are made faster than they are copied.
- Watching: `open_monitor` opens a `Monitor`, which measures database, store and models.
- asyncio: `QueryRunner` is the type of what `Services.make_query_runner` takes and returns.
"""

from pixy_data import (
    BUCKET_FORMS,
    ContentFile,
    DatabaseLocation,
    PartialImage,
    QueryRunner,
    SpooledFile,
    is_bucket_url,
    locate_database,
)
from pixy_service.accounts.keys import IssuedKey, KeyCredentials, KeyService
from pixy_service.accounts.passwords import Credentials, CredentialService
from pixy_service.accounts.sign_in_limit import SignInRule
from pixy_service.accounts.users import UserService, UserServiceInterface
from pixy_service.backups.backup import StoreBackup
from pixy_service.backups.restore import StoreRestore
from pixy_service.checking import Finding, FindingKind, RepairRefusedError, StoreChecker
from pixy_service.copying import CopyUnfinishedError, StoreCopy
from pixy_service.creation.attempts import Attempt
from pixy_service.creation.creator import Created
from pixy_service.creation.observer import NO_OBSERVER, GenerationObserver, MadeImage
from pixy_service.creation.uploads import Uploaded
from pixy_service.generators.interface import (
    MAX_PARTIALS,
    GeneratedImage,
    ImageGenerator,
    ImageOrder,
    ModelInfo,
    ObserveCall,
    ProviderCall,
    SourceFile,
)
from pixy_service.generators.model_guard import check_models
from pixy_service.generators.openai.client_settings import (
    CLIENT_VARIABLES,
    DEFAULT_OPENAI_BASE_URL,
)
from pixy_service.generators.openai.generator import DEFAULT_OPENAI_MODEL, OpenAIGenerator
from pixy_service.generators.sketch import SketchGenerator
from pixy_service.images.private import CreationPage, PrivateImageService, Submission
from pixy_service.images.public import PublicImageService
from pixy_service.images.reading import ImageFile, ImagePage, ImageServiceInterface
from pixy_service.maintenance import (
    open_backup,
    open_checker,
    open_copy,
    open_export,
    open_import,
    open_restore,
)
from pixy_service.monitoring import Monitor, open_monitor
from pixy_service.moving.exporting import Selection, StoreExport
from pixy_service.moving.importing import ArchiveImport
from pixy_service.moving.verifying import ArchiveCheck
from pixy_service.opening import (
    open_keys,
    open_services,
    open_users,
    prepare_stores,
    upgrade_database,
)
from pixy_service.pixels.shrinking import THUMBNAIL_TYPES, THUMBNAIL_WIDTHS
from pixy_service.pixels.uploads import MAX_PIXELS
from pixy_service.services import Services
from pixy_service.validation import (
    IDEMPOTENCY_KEY_PATTERN,
    MAX_PAGE_SIZE,
    MAX_UPLOAD_SIZE,
    Limits,
    validate_guid,
)

__all__ = [
    "BUCKET_FORMS",
    "CLIENT_VARIABLES",
    "DEFAULT_OPENAI_BASE_URL",
    "DEFAULT_OPENAI_MODEL",
    "IDEMPOTENCY_KEY_PATTERN",
    "MAX_PAGE_SIZE",
    "MAX_PARTIALS",
    "MAX_PIXELS",
    "MAX_UPLOAD_SIZE",
    "NO_OBSERVER",
    "THUMBNAIL_TYPES",
    "THUMBNAIL_WIDTHS",
    "ArchiveCheck",
    "ArchiveImport",
    "Attempt",
    "ContentFile",
    "CopyUnfinishedError",
    "Created",
    "CreationPage",
    "CredentialService",
    "Credentials",
    "DatabaseLocation",
    "Finding",
    "FindingKind",
    "GeneratedImage",
    "GenerationObserver",
    "ImageFile",
    "ImageGenerator",
    "ImageOrder",
    "ImagePage",
    "ImageServiceInterface",
    "IssuedKey",
    "KeyCredentials",
    "KeyService",
    "Limits",
    "MadeImage",
    "ModelInfo",
    "Monitor",
    "ObserveCall",
    "OpenAIGenerator",
    "PartialImage",
    "PrivateImageService",
    "ProviderCall",
    "PublicImageService",
    "QueryRunner",
    "RepairRefusedError",
    "Selection",
    "Services",
    "SignInRule",
    "SketchGenerator",
    "SourceFile",
    "SpooledFile",
    "StoreBackup",
    "StoreChecker",
    "StoreCopy",
    "StoreExport",
    "StoreRestore",
    "Submission",
    "Uploaded",
    "UserService",
    "UserServiceInterface",
    "check_models",
    "is_bucket_url",
    "locate_database",
    "open_backup",
    "open_checker",
    "open_copy",
    "open_export",
    "open_import",
    "open_keys",
    "open_monitor",
    "open_restore",
    "open_services",
    "open_users",
    "prepare_stores",
    "upgrade_database",
    "validate_guid",
]
